import { hasCode } from '../../base/index.ts'
import type { HealthReport } from '../../node/index.ts'
import * as checks from '../checks.ts'
import type { Command, Context } from '../command.ts'
import { CliError } from '../errors.ts'
import { cleanLine, type Paint } from '../output.ts'

export const doctor: Command = {
  name: 'doctor',
  summary: 'Check this machine and the node on it, and say what to do about what is wrong',
  examples: ['doctor', 'doctor --json | jq ".checks[] | select(.verdict != \\"ok\\")"'],
  timeoutMs: 20_000,

  async run(context) {
    const findings = await examine(context)
    const failed = findings.filter(({ verdict }) => verdict === 'fail').map(({ check }) => check)
    const report = { ok: failed.length === 0, checks: findings }
    context.out.print(report, (paint) => findings.flatMap((finding) => lines(finding, paint)))
    if (failed.length > 0) throw CliError.DOCTOR_FAILED({ failed })
  },
}

async function examine(context: Context): Promise<checks.Finding[]> {
  const { dataDir, rooms } = context
  const { probes } = rooms
  const node = await healthOfNode(context)
  const [folder, key, ports, quic, multicast] = await Promise.all([
    probes.folder(dataDir),
    probes.key(dataDir),
    // The ports of a running node are its own, so asking whether they are free means nothing.
    node === undefined ? probes.ports() : [],
    rooms.quic(),
    probes.multicast(),
  ])
  return [
    checks.nodeVersion(probes.nodeVersion()),
    checks.dataFolder(folder),
    checks.identityKey(key),
    ...ports.map(checks.port),
    checks.quic(quic),
    checks.ipv6(probes.ipv6Addresses()),
    checks.multicast(multicast),
    checks.runningNode(node),
  ]
}

async function healthOfNode({ connect, signal }: Context): Promise<HealthReport | undefined> {
  try {
    await using node = await connect()
    return (await node.status({ signal })).health
  } catch (error) {
    if (hasCode(error, 'CONTROL_NODE_UNREACHABLE')) return undefined
    if (!(error instanceof Error)) throw error
    // A node that answers nothing sensible is a finding, not the end of the examination.
    return { status: 'failing', reasons: [error.message], alive: true, ready: false }
  }
}

function lines({ check, verdict, found, remedy }: checks.Finding, paint: Paint): string[] {
  const color = { ok: 'green', warn: 'yellow', fail: 'red' } as const
  const sign = paint(color[verdict], verdict.padEnd(4))
  const head = `${sign}  ${check.padEnd(13)}  ${cleanLine(found)}`
  return remedy === undefined ? [head] : [head, `${' '.repeat(21)}→ ${cleanLine(remedy)}`]
}
