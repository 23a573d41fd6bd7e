import type { PeerStatus } from '../../node/index.ts'
import type { Command } from '../command.ts'
import { table } from '../output.ts'
import { durationText } from '../words.ts'

export const peers: Command = {
  name: 'peers',
  summary: 'List the peers that the node is connected to',
  examples: ['peers', 'peers --json | jq -r ".[].peer"'],
  timeoutMs: 10_000,

  async run({ clock, connect, out, self, signal }) {
    await using node = await connect()
    const found = await node.peers({ signal })
    out.print(found, (paint) => {
      if (found.length === 0) return [`No peers. Add one with: ${self} connect <multiaddr>`]
      const rows = found.flatMap((peer) => rowsOf(peer, clock.now()))
      return table(['PEER', 'BY', 'WHO DIALLED', 'SINCE', 'ADDRESS'], rows, paint)
    })
  },
}

/** One row for each connection: a peer may have several. */
function rowsOf({ peer, connections }: PeerStatus, nowMs: number): string[][] {
  return connections.map(({ transport, direction, openedAtMs, address }) => [
    peer,
    transport,
    direction === 'inbound' ? 'they' : 'we',
    durationText(Math.max(0, nowMs - openedAtMs)),
    address,
  ])
}
