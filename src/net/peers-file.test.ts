import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { type Logger, seededRandom, silentLog } from '../base/index.ts'
import { type PeerId, peerIdFromBytes } from '../identity/index.ts'
import { PeersFile, REMEMBERED_MAX } from './peers-file.ts'

/** A peer id that no key stands behind (a SHA-256 multihash), made in no time. */
const idOf = (n: number): PeerId => {
  const bytes = new Uint8Array(34)
  bytes.set([0x12, 0x20, n >> 8, n & 255])
  return peerIdFromBytes(bytes)
}
const WHERE = ['/ip6/2a00::1/udp/9001/quic-v1']

async function setup() {
  const dir = await mkdtemp(join(tmpdir(), 'p2p-peers-'))
  const file = join(dir, 'peers.json')
  const clock = new FakeClock(1_000)
  const warnings: string[] = []
  const log: Logger = { ...silentLog, warn: (message) => warnings.push(message) }
  return {
    dir,
    file,
    clock,
    warnings,
    open: () => new PeersFile({ file, clock, log, random: seededRandom('peers') }),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  }
}

test('what is saved is there in the next run, and only this user can read it', async () => {
  await using at = await setup()
  const first = at.open()
  first.note(idOf(1), WHERE, true)
  first.note(idOf(2), ['/ip4/10.0.0.1/tcp/9000', '/dnsaddr/example.org'], false)
  await first.save()
  assert.deepEqual(await readdir(at.dir), ['peers.json'])
  assert.equal((await stat(at.file)).mode & 0o777, 0o600)
  const second = at.open()
  await second.load()
  assert.deepEqual(second.peers, first.peers)
  assert.deepEqual(second.peers[0], {
    peer: idOf(1),
    addresses: WHERE,
    seenAtMs: 1_000,
    dialled: true,
  })
})

test('no file is no warning, and nothing to remember writes none', async () => {
  await using at = await setup()
  const peers = at.open()
  await peers.load()
  await peers.save()
  assert.deepEqual(at.warnings, [])
  assert.deepEqual(await readdir(at.dir), [])
})

const entry = { peer: idOf(1), addresses: WHERE, seenAtMs: 1, dialled: true }
for (const [what, text] of [
  ['half a file', '{"version":1,"peers":[{"pe'],
  ['another version', JSON.stringify({ version: 2, peers: [] })],
  ['no list', JSON.stringify({ version: 1, peers: {} })],
  ['a peer id that is none', JSON.stringify({ version: 1, peers: [{ ...entry, peer: 'x' }] })],
  [
    'an address that is none',
    JSON.stringify({ version: 1, peers: [{ ...entry, addresses: ['x'] }] }),
  ],
  ['a field of another type', JSON.stringify({ version: 1, peers: [{ ...entry, dialled: 1 }] })],
  ['too much', `{"version":1,"peers":[]${' '.repeat(600_000)}}`],
] as const) {
  test(`a file with ${what} is set aside with a warning, and the node goes on`, async () => {
    await using at = await setup()
    await writeFile(at.file, text)
    const peers = at.open()
    await peers.load()
    assert.deepEqual(peers.peers, [])
    assert.deepEqual(await readdir(at.dir), ['peers.json.broken'])
    assert.equal(await readFile(`${at.file}.broken`, 'utf8'), text)
    assert.deepEqual(at.warnings, ['remembered peers broken and set aside'])
    peers.note(idOf(1), WHERE, true)
    await peers.save()
    assert.equal((await readdir(at.dir)).length, 2)
  })
}

test('a file that cannot be read or written costs warnings only', async () => {
  await using at = await setup()
  const peers = new PeersFile({
    file: at.dir,
    clock: at.clock,
    random: seededRandom('x'),
    log: { ...silentLog, warn: (message) => at.warnings.push(message) },
  })
  await peers.load()
  peers.note(idOf(1), WHERE, true)
  await peers.save()
  assert.deepEqual(at.warnings, ['remembered peers not read', 'remembered peers not written'])
  assert.equal(peers.peers.length, 1)
})

test('note() keeps few addresses, and only those that we could dial', async () => {
  await using at = await setup()
  const peers = at.open()
  const many = Array.from({ length: 20 }, (_, i) => `/ip4/10.0.0.1/tcp/${i + 1}`)
  peers.note(idOf(1), ['/ip4/10.0.0.1/tcp/1/ws', '/dns4/x/tcp/0', ...many], true)
  assert.deepEqual(peers.peers[0]?.addresses, many.slice(0, 8))
  peers.note(idOf(2), ['nonsense'], true)
  assert.equal(peers.peers.length, 1)
  peers.note(idOf(1), [], false)
  assert.deepEqual(peers.peers[0].addresses, many.slice(0, 8), 'what is known stays')
  assert.ok(peers.peers[0].dialled)
})

test('peers that only came to us never push out those that we reached', async () => {
  await using at = await setup()
  const peers = at.open()
  for (let i = 0; i < 10; i += 1) peers.note(idOf(i), WHERE, true)
  await at.clock.advance(1_000)
  for (let i = 1_000; i < 3_000; i += 1) peers.note(idOf(i), WHERE, false)
  assert.equal(peers.peers.length, REMEMBERED_MAX)
  assert.equal(peers.peers.filter(({ dialled }) => dialled).length, 10)
})

test('among equals the one seen longest ago makes room', async () => {
  await using at = await setup()
  const peers = at.open()
  for (let i = 0; i <= REMEMBERED_MAX; i += 1) {
    peers.note(idOf(i), WHERE, true)
    await at.clock.advance(1)
  }
  const kept = new Set(peers.peers.map(({ peer }) => peer))
  assert.ok(!kept.has(idOf(0)) && kept.has(idOf(1)) && kept.has(idOf(REMEMBERED_MAX)))
})

test('without a file peers are remembered for as long as the node runs, and no longer', async () => {
  const warnings: string[] = []
  const log: Logger = { ...silentLog, warn: (message) => warnings.push(message) }
  const deps = { file: undefined, clock: new FakeClock(1_000), random: seededRandom('peers'), log }
  const peers = new PeersFile(deps)
  await peers.load()
  peers.note(idOf(1), WHERE, true)
  await peers.save()
  assert.deepEqual(
    peers.peers.map(({ peer }) => peer),
    [idOf(1)],
  )
  const next = new PeersFile(deps)
  await next.load()
  assert.deepEqual(next.peers, [])
  assert.deepEqual(warnings, [])
})
