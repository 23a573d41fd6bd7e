import type { NodeStatus } from '../../node/index.ts'
import type { Command, Context } from '../command.ts'
import { flagOption, parseDuration, textOption } from '../options.ts'
import { fields, type Paint } from '../output.ts'
import { picture, summary, Watcher } from '../watch.ts'
import { durationText, facilityText } from '../words.ts'

export const status: Command = {
  name: 'status',
  summary: 'Show how the node is: identity, addresses, peers, health',
  options: [
    { flags: '-w, --watch', help: 'show it again and again, until Ctrl-C' },
    { flags: '--every <time>', help: 'how often with --watch; 1s unless given' },
  ],
  examples: ['status', 'status --watch', 'status --json | jq .health'],
  timeoutMs: 10_000,
  endlessWith: 'watch',

  async run(context) {
    if (flagOption(context.options, 'watch')) return watch(context)
    const { connect, out, signal } = context
    await using node = await connect()
    const found = await node.status({ signal })
    out.print(found, (paint) => lines(found, paint))
  },
}

const EVERY_MS = 1_000

/** A picture drawn in its place at a terminal; elsewhere one line, or one JSON line, each time. */
async function watch({ connect, clock, options, out, signal }: Context): Promise<void> {
  const every = textOption(options, 'every')
  const everyMs = every === undefined ? EVERY_MS : parseDuration(every, 'status', '--every')
  await using node = await connect()
  const until = AbortSignal.any([signal, out.gone])
  const watcher = new Watcher({ node, clock, signal: until })
  try {
    while (!until.aborted) {
      const look = await watcher.look()
      if (out.live) out.draw(picture(look, out.paint))
      else out.print(look, () => [summary(look)])
      await clock.sleep(everyMs, until)
    }
  } catch (error) {
    if (!until.aborted) throw error
  }
}

function lines(found: NodeStatus, paint: Paint): string[] {
  const color = { ok: 'green', degraded: 'yellow', failing: 'red' } as const
  const { health } = found
  const rows: Record<string, string | readonly string[]> = {
    'Peer id': found.peerId,
    ...(found.ethAddress !== null && { Address: found.ethAddress }),
    Words: found.words ?? 'none: no address to put into words',
    Network: found.network,
    Peers: String(found.peers),
    Listening: found.listen.length === 0 ? 'nowhere' : found.listen,
    Reached: `${found.reachability.verdict}: ${found.reachability.reason}`,
    QUIC: facilityText(found.quic),
    Tunnel: facilityText(found.tunnel),
    ...(found.registry && { Registry: facilityText(found.registry) }),
    Data: found.dataDir,
    Running: `${durationText(found.uptimeMs)}, version ${found.version}`,
  }
  return [
    ...fields(rows, paint),
    `${paint('dim', 'Health   ')}  ${paint(color[health.status], health.status)}`,
    ...health.reasons.map((reason) => `           - ${reason}`),
  ]
}
