import { CodedError, hasCode } from '../../base/index.ts'
import type { HealthReport, NodeStatus } from '../../node/index.ts'
import * as checks from '../checks.ts'
import type { Command, Context } from '../command.ts'
import { CliError } from '../errors.ts'
import { flagsOf } from '../flags.ts'
import { cleanLine, type Paint } from '../output.ts'
import { reachChecks } from '../reach-checks.ts'
import type { Rooms } from '../rooms.ts'

export const doctor: Command = {
  name: 'doctor',
  summary: 'Check this machine and the node on it, and say what to do about what is wrong',
  examples: ['doctor', 'doctor --json | jq ".checks[] | select(.verdict != \\"ok\\")"'],
  timeoutMs: 20_000,

  async run(context) {
    const findings = await examine(context)
    const failed = findings.filter(({ verdict }) => verdict === 'failed').map(({ check }) => check)
    const report = { ok: failed.length === 0, checks: findings }
    context.out.print(report, (paint) => findings.flatMap((finding) => lines(finding, paint)))
    if (failed.length > 0) throw CliError.DOCTOR_FAILED({ failed })
  },
}

async function examine(context: Context): Promise<checks.Finding[]> {
  const { clock, dataDir, rooms } = context
  const { probes } = rooms
  const { health: node, status } = await nodeSeen(context)
  const [folder, lock, key, config, ports, quic, ipv6, multicast, time] = await Promise.all([
    probes.folder(dataDir),
    probes.lock(dataDir),
    probes.key(dataDir),
    configOf(context),
    // The ports of a running node are its own, so asking whether they are free means nothing.
    node === undefined ? portsOf(rooms) : [],
    rooms.quic(),
    probes.ipv6(),
    probes.multicast(),
    probes.clock(dataDir, clock.now()),
  ])
  return [
    checks.nodeVersion(probes.nodeVersion()),
    checks.dataFolder(folder),
    checks.folderLock(lock, node !== undefined),
    checks.identityKey(key),
    config,
    ...ports.map(checks.port),
    checks.quic(quic),
    checks.ipv6(ipv6),
    checks.multicast(multicast),
    checks.clockSanity(time),
    ...(status === undefined ? [] : reachChecks(status)),
    checks.runningNode(node),
  ]
}

async function portsOf({ probes, portHolder }: Rooms): Promise<readonly checks.PortFacts[]> {
  const ports = await probes.ports()
  return Promise.all(
    ports.map(async (facts) => {
      return facts.free ? facts : { ...facts, holder: await portHolder(facts.kind, facts.port) }
    }),
  )
}

async function configOf(context: Context): Promise<checks.Finding> {
  const { env, rooms } = context
  try {
    const { file } = await rooms.loadConfig({ flags: flagsOf(context), env })
    return checks.configuration(file, undefined)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    return checks.configuration(undefined, error.message)
  }
}

interface Seen {
  readonly health?: HealthReport
  /** Absent where no node runs, or where it answers nothing sensible. */
  readonly status?: NodeStatus
}

async function nodeSeen({ connect, signal }: Context): Promise<Seen> {
  try {
    await using node = await connect()
    const status = await node.status({ signal })
    return { health: status.health, status }
  } catch (error) {
    if (hasCode(error, 'CONTROL_NODE_UNREACHABLE')) return {}
    if (!(error instanceof Error)) throw error
    // A node that answers nothing sensible is a finding, not the end of the examination.
    return {
      health: { status: 'failing', reasons: [error.message], alive: true, ready: false },
    }
  }
}

function lines({ check, verdict, found, remedy }: checks.Finding, paint: Paint): string[] {
  const color = { ok: 'green', warn: 'yellow', failed: 'red' } as const
  const sign = paint(color[verdict], verdict.padEnd(6))
  const head = `${sign}  ${check.padEnd(13)}  ${cleanLine(found)}`
  return remedy === undefined ? [head] : [head, `${' '.repeat(23)}→ ${cleanLine(remedy)}`]
}
