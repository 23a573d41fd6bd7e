import type { NodeStatus } from '../../node/index.ts'
import type { Command } from '../command.ts'
import { fields, type Paint } from '../output.ts'
import { durationText, facilityText } from '../words.ts'

export const status: Command = {
  name: 'status',
  summary: 'Show how the node is: identity, addresses, peers, health',
  examples: ['status', 'status --json | jq .health'],
  timeoutMs: 10_000,

  async run({ connect, out, signal }) {
    await using node = await connect()
    const found = await node.status({ signal })
    out.print(found, (paint) => lines(found, paint))
  },
}

function lines(found: NodeStatus, paint: Paint): string[] {
  const color = { ok: 'green', degraded: 'yellow', failing: 'red' } as const
  const { health } = found
  const rows: Record<string, string | readonly string[]> = {
    'Peer id': found.peerId,
    Words: found.words ?? 'none: no address to put into words',
    Network: found.network,
    Peers: String(found.peers),
    Listening: found.listen.length === 0 ? 'nowhere' : found.listen,
    QUIC: facilityText(found.quic),
    Tunnel: facilityText(found.tunnel),
    Data: found.dataDir,
    Running: `${durationText(found.uptimeMs)}, version ${found.version}`,
  }
  return [
    ...fields(rows, paint),
    `${paint('dim', 'Health   ')}  ${paint(color[health.status], health.status)}`,
    ...health.reasons.map((reason) => `           - ${reason}`),
  ]
}
