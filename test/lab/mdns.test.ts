/**
 * Two machines on one link, without routes and without anybody between them.
 *
 *   a (fd77::a or 10.77.0.1) ── link ── b (fd77::b or 10.77.0.2)
 */

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type PeerId, signerFromSeed } from '../../src/identity/index.ts'
import { Lab, labUnavailable, type Machine } from './netns.ts'

const PEER = fileURLToPath(new URL('mdns-peer.ts', import.meta.url))
const WITHIN_MS = 5_000

const unavailable = labUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

const [idA, idB] = [idOf(1), idOf(2)]

test('two nodes find each other in five seconds over IPv6 only, with no route', {
  skip,
}, async () => {
  await using lab = new Lab()
  const a = lab.machine('a', { addresses: ['fd77::a/64'], ipv6: true })
  const b = lab.machine('b', { addresses: ['fd77::b/64'], ipv6: true })
  const atA = start(a, idA, ['/ip6/fd77::a/tcp/9000'])
  const atB = start(b, idB, ['/ip6/fd77::b/udp/9001/quic-v1'])
  const found = await Promise.all([atA.find(idB), atB.find(idA)])
  assert.deepEqual(found, [
    [`/ip6/fd77::b/udp/9001/quic-v1/p2p/${idB}`],
    [`/ip6/fd77::a/tcp/9000/p2p/${idA}`],
  ])
})

test('two nodes find each other over IPv4 only, with no route', { skip }, async () => {
  await using lab = new Lab()
  const a = lab.machine('a', { addresses: ['10.77.0.1/24'], ipv6: false })
  const b = lab.machine('b', { addresses: ['10.77.0.2/24'], ipv6: false })
  const atA = start(a, idA, ['/ip4/10.77.0.1/tcp/9000'])
  const atB = start(b, idB, ['/ip4/10.77.0.2/tcp/9000'])
  const found = await Promise.all([atA.find(idB), atB.find(idA)])
  assert.deepEqual(found, [
    [`/ip4/10.77.0.2/tcp/9000/p2p/${idB}`],
    [`/ip4/10.77.0.1/tcp/9000/p2p/${idA}`],
  ])
})

test('a link-local address is found with the zone of the one who would dial it', {
  skip,
}, async () => {
  await using lab = new Lab()
  const a = lab.machine('a', { addresses: ['fe80::a/64'], ipv6: true })
  const b = lab.machine('b', { addresses: ['fe80::b/64'], ipv6: true })
  start(a, idA, ['/ip6/fe80::a/tcp/9000'])
  const atB = start(b, idB, [])
  const found = await atB.find(idA)
  assert.deepEqual(found, [`/ip6zone/eth0/ip6/fe80::a/tcp/9000/p2p/${idA}`])
})

test('several nodes on one machine find each other', { skip }, async () => {
  await using lab = new Lab()
  const a = lab.machine('a', { addresses: ['10.77.0.1/24', 'fd77::a/64'], ipv6: true })
  const ids = [1, 2, 3].map(idOf)
  const nodes = ids.map((id, i) => start(a, id, [`/ip4/127.0.0.1/tcp/${9_000 + i}`]))
  const finds = nodes.flatMap((node, i) => {
    return ids.filter((_, j) => j !== i).map((id) => node.find(id))
  })
  for (const found of await Promise.all(finds)) assert.match(found[0] ?? '', /^\/ip4\/127\.0\.0\.1/)
})

test('a machine whose link comes up later is found', { skip }, async () => {
  await using lab = new Lab()
  const a = lab.machine('a', { addresses: ['10.77.0.1/24'], ipv6: false })
  const b = lab.machine('b', { addresses: ['10.77.0.2/24'], ipv6: false })
  b.ip('link', 'set', 'eth0', 'down')
  const atA = start(a, idA, ['/ip4/10.77.0.1/tcp/9000'])
  const atB = start(b, idB, ['/ip4/10.77.0.2/tcp/9000'])
  await Promise.all([atA.started, atB.started])
  b.ip('link', 'set', 'eth0', 'up')
  await Promise.all([atA.find(idB), atB.find(idA)])
})

test('networks with other names do not see each other', { skip }, async () => {
  await using lab = new Lab()
  const a = lab.machine('a', { addresses: ['10.77.0.1/24'], ipv6: false })
  const b = lab.machine('b', { addresses: ['10.77.0.2/24'], ipv6: false })
  const atA = start(a, idA, ['/ip4/10.77.0.1/tcp/9000'], 'one')
  start(b, idB, ['/ip4/10.77.0.2/tcp/9000'], 'two')
  const again = start(b, idOf(3), ['/ip4/10.77.0.2/tcp/9001'], 'one')
  await Promise.all([atA.find(idOf(3)), again.find(idA)])
  assert.deepEqual([...atA.found.keys()], [idOf(3)])
})

test('a port that another program holds for itself is told with a remedy', { skip }, async () => {
  await using lab = new Lab()
  const a = lab.machine('a', { addresses: ['10.77.0.1/24'], ipv6: true })
  const hold = [
    'const { createSocket } = require("node:dgram")',
    'for (const type of ["udp4", "udp6"]) {',
    '  createSocket({ type, ipv6Only: type === "udp6" }).bind(5353, () => console.log("held"))',
    '}',
  ]
  const holder = a.spawn(process.execPath, ['-e', hold.join('\n')])
  await lines(holder, (_, count) => count === 2)
  const { status } = await start(a, idA, []).started
  assert.equal(status.state, 'unavailable')
  assert.match(status.reason ?? '', /5353.*EADDRINUSE/)
  assert.match(status.remedy ?? '', /ss -ulpn/)
})

interface Found {
  readonly event: 'found'
  readonly peer: string
  readonly addresses: readonly string[]
}

interface Started {
  readonly event: 'started'
  readonly status: { readonly state: string; readonly reason?: string; readonly remedy?: string }
}

/** A process with mDNS alone: `find` waits for a peer, no longer than the goal allows. */
function start(machine: Machine, id: PeerId, addresses: readonly string[], network = 'main') {
  const args = [PEER, id, network, ...addresses]
  const child = machine.spawn(process.execPath, args)
  const found = new Map<string, readonly string[]>()
  let wake: () => void = () => undefined
  const started = Promise.withResolvers<Started>()
  void lines(child, (line) => {
    const said = JSON.parse(line) as Started | Found
    if (said.event === 'started') started.resolve(said)
    else found.set(said.peer, said.addresses)
    wake()
    return false
  })

  async function find(peer: PeerId): Promise<readonly string[]> {
    await started.promise
    const until = performance.now() + WITHIN_MS
    for (;;) {
      const addresses = found.get(peer)
      if (addresses !== undefined) return addresses
      const left = until - performance.now()
      if (left <= 0) assert.fail(`${id} did not find ${peer} in ${WITHIN_MS} ms`)
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, Math.min(left, 50))
      wake = resolve
      await promise
      clearTimeout(timer)
    }
  }
  return { started: started.promise, found, find }
}

/** Reads lines until `done` says that it has enough. */
async function lines(child: ChildProcess, done: (line: string, count: number) => boolean) {
  if (child.stdout === null) assert.fail('the child has a standard output')
  let count = 0
  for await (const line of createInterface({ input: child.stdout })) {
    count += 1
    if (done(line, count)) return
  }
}

function idOf(seed: number): PeerId {
  return signerFromSeed(new Uint8Array(32).fill(seed)).peer
}
