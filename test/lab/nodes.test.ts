/**
 * Whole nodes, started as a person does with no option but the data folder, on one link.
 *
 *   a: p2p start ── link ── b: p2p start        no bootstrap, no route, nobody in between
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CliNode, startNode } from '../support/cli.ts'
import { Lab, type Machine } from './netns.ts'

const WITHIN_MS = 5_000

const LINKS = {
  'IPv6 only': { a: ['fd77::a/64'], b: ['fd77::b/64'], ipv6: true, via: '/ip6/fd77::' },
  'IPv4 only': { a: ['10.77.0.1/24'], b: ['10.77.0.2/24'], ipv6: false, via: '/ip4/10.77.0.' },
}

for (const [link, { a, b, ipv6, via }] of Object.entries(LINKS)) {
  test(`two nodes with no configuration connect in five seconds over ${link}`, async () => {
    await using lab = new Lab()
    await using nodeA = await startOn(lab.machine('a', { addresses: a, ipv6 }))
    await using nodeB = await startOn(lab.machine('b', { addresses: b, ipv6 }))
    const began = performance.now()
    const connection = await connectedTo(nodeB, nodeA.ready.peerId)
    assert.ok(performance.now() - began < WITHIN_MS + 1_000, 'in five seconds, and one to ask')
    assert.ok(connection.address.startsWith(via), connection.address)
    assert.equal(connection.transport, 'quic', 'QUIC comes before TCP')
  })
}

function startOn(machine: Machine): Promise<CliNode> {
  const env = { P2P_NETWORK_MDNS: 'true' }
  return startNode([], { wrapper: machine.wrapper, ports: [], env })
}

interface Peer {
  readonly peer: string
  readonly connections: readonly { address: string; transport: string }[]
}

async function connectedTo(node: CliNode, wanted: string) {
  const until = performance.now() + 2 * WITHIN_MS
  for (;;) {
    const peers = (await node.json('peers')) as readonly Peer[]
    const connection = peers.find(({ peer }) => peer === wanted)?.connections[0]
    if (connection !== undefined) return connection
    assert.ok(performance.now() < until, `a connection; the log says: ${node.log}`)
  }
}
