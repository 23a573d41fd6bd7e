import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Emitter, seededRandom, silentLog } from '../base/index.ts'
import { type PeerId, peerIdFromBytes } from '../identity/index.ts'
import { Bootstrap, type BootstrapDeps } from './bootstrap.ts'
import { NetError } from './errors.ts'
import type { NetEvents } from './events.ts'
import type { CallOptions, ConnectionInfo } from './host.ts'

const idOf = (n: number): PeerId => {
  const bytes = new Uint8Array(34)
  bytes.set([0x12, 0x20, n >> 8, n & 255])
  return peerIdFromBytes(bytes)
}
const [SELF, A, B, C] = [idOf(100), idOf(1), idOf(2), idOf(3)]
const at = (n: number) => `/ip4/10.0.0.${n}/tcp/9000`
const silent = at(200)

interface Setup {
  readonly addresses?: readonly string[]
  readonly peersMin?: number
  readonly keepAll?: boolean
  /** Who answers at which address. */
  readonly answers?: Readonly<Record<string, PeerId>>
  readonly file?: string
  readonly seed?: string
}

/** A bootstrap whose host connects to `answers`, hangs at `silent`, and fails everywhere else. */
async function setup(options: Setup = {}) {
  const { addresses = [], peersMin = 1, keepAll = false, answers = {}, file, seed } = options
  const dir = await mkdtemp(join(tmpdir(), 'p2p-bootstrap-'))
  const clock = new FakeClock()
  const events = new Emitter<NetEvents>(() => assert.fail())
  const connected = new Map<PeerId, ConnectionInfo>()
  const dialled: string[] = []
  const dialledAtMs: number[] = []
  const path = join(dir, 'peers.json')
  if (file !== undefined) await writeFile(path, file)

  const connect = async (target: PeerId | string, { signal }: CallOptions = {}) => {
    dialled.push(target)
    dialledAtMs.push(clock.now())
    if (target.startsWith(silent)) {
      await new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error))
      })
    }
    const peer = answers[target]
    if (peer === undefined) {
      throw NetError.CONNECT_FAILED({ target, tried: [{ address: target, reason: 'refused' }] })
    }
    open(peer, target)
    return peer
  }
  const open = (peer: PeerId, address: string) => {
    const direction = 'outbound'
    const link = { direction, transport: 'tcp', path: 'direct', openedAtMs: 0, streams: 0 } as const
    connected.set(peer, { ...link, peer, address })
    events.emit('connected', { peer })
    events.emit('identified', { peer, protocols: [] })
  }
  const close = (peer: PeerId) => {
    connected.delete(peer)
    events.emit('disconnected', { peer })
  }
  const host: BootstrapDeps['host'] = {
    self: SELF,
    events,
    connections: () => [...connected.values()],
    addressesOf: async (peer) => {
      return [connected.get(peer)?.address.replace(/\/p2p\/.*/, '') ?? assert.fail()]
    },
    connect,
  }
  const random = seededRandom(seed ?? 'bootstrap')
  const warned: unknown[] = []
  const log = { ...silentLog, warn: (...said: unknown[]) => void warned.push(said) }
  const bootstrap = new Bootstrap(
    { host, clock, random, log, file: path },
    { addresses, peersMin, keepAll, backoffMs: 1_000, dialTimeoutMs: 5_000 },
  )
  return {
    bootstrap,
    clock,
    dialled,
    dialledAtMs,
    warned,
    open,
    close,
    /** Waits for the file: writing takes real time. */
    async saved() {
      while (!existsSync(path)) await setImmediate()
      return JSON.parse(await readFile(path, 'utf8')) as { peers: { peer: string }[] }
    },
    async [Symbol.asyncDispose]() {
      await bootstrap.stop()
      await clock.advance(0)
      assert.equal(clock.waiting, 0, 'nothing is left behind')
      await rm(dir, { recursive: true, force: true })
    },
  }
}

test('start() connects to configured peers and then rests', async () => {
  const addresses = [`${at(1)}/p2p/${A}`, '/dnsaddr/bootstrap.example']
  const answers = { [addresses[0] ?? '']: A, [addresses[1] ?? '']: B }
  await using net = await setup({ addresses, answers, peersMin: 2 })
  await net.bootstrap.start()
  await net.clock.advance(0)
  assert.deepEqual(net.dialled.toSorted(), addresses.toSorted())
  assert.deepEqual(net.bootstrap.report().reasons, [])
  await net.clock.advance(600_000)
  assert.equal(net.dialled.length, 2)
})

test('nodes of one list begin at different peers, as many at each', async () => {
  const addresses = Array.from({ length: 8 }, (_, i) => at(i + 1))
  const first = new Map<string, number>()
  for (let seed = 0; seed < 80; seed += 1) {
    await using net = await setup({ addresses, seed: `node ${seed}` })
    await net.bootstrap.start()
    await net.clock.advance(0)
    const begun = net.dialled[0] ?? assert.fail()
    first.set(begun, (first.get(begun) ?? 0) + 1)
  }
  assert.equal(first.size, addresses.length)
  for (const [address, nodes] of first) assert.ok(nodes < 30, `${address}: ${nodes} of 80`)
})

test('keepAll keeps a connection to every configured peer but itself', async () => {
  const addresses = [`${at(1)}/p2p/${A}`, at(2), `${at(3)}/p2p/${C}`, `${at(9)}/p2p/${SELF}`]
  const answers = { [addresses[0] ?? '']: A, [at(2)]: B, [addresses[2] ?? '']: C }
  await using net = await setup({ addresses, answers, keepAll: true })
  await net.bootstrap.start()
  await net.clock.advance(0)
  assert.deepEqual(net.dialled.toSorted(), addresses.slice(0, 3).toSorted())
  net.dialled.length = 0
  await net.clock.advance(600_000)
  assert.deepEqual(net.dialled, [])
  net.close(B)
  await net.clock.advance(5_000)
  assert.deepEqual(net.dialled, [at(2)], 'the one that went, and not the others')
})

test('without keepAll enough peers are enough', async () => {
  const addresses = [`${at(1)}/p2p/${A}`, `${at(3)}/p2p/${C}`]
  const answers = { [addresses[0] ?? '']: A, [addresses[1] ?? '']: C }
  await using net = await setup({ addresses, answers })
  net.open(B, at(2))
  await net.bootstrap.start()
  await net.clock.advance(600_000)
  assert.deepEqual(net.dialled, [])
})

test('start() refuses a configured address that is none', async () => {
  await using net = await setup({ addresses: ['/ip4/10.0.0.1'] })
  await assert.rejects(net.bootstrap.start(), coded('NET_ADDRESS_INVALID'))
})

test('with too few peers all is tried again, after pauses that grow', async () => {
  await using net = await setup({ addresses: [at(1)] })
  await net.bootstrap.start()
  await net.clock.advance(900_000)
  const [first, second = Infinity] = net.dialledAtMs
  assert.equal(first, 0)
  assert.ok(second <= 1_000, 'the second try is soon')
  const tries = net.dialledAtMs.length
  assert.ok(tries >= 8 && tries <= 14, `${tries} tries in a quarter of an hour`)
})

test('report() says what was tried, why it failed, and when it is tried again', async () => {
  await using net = await setup({ addresses: [at(1), silent] })
  await net.bootstrap.start()
  await net.clock.advance(5_000)
  const { attempts, reasons, connected, wanted } = net.bootstrap.report()
  assert.deepEqual([connected, wanted], [0, 1])
  const codes = attempts.map(({ address, source, code }) => [address, source, code])
  assert.deepEqual(codes, [
    [at(1), 'configured', 'NET_CONNECT_FAILED'],
    [silent, 'configured', 'BASE_DEADLINE'],
  ])
  assert.match(reasons[0] ?? '', /0 of 1 .*10\.0\.0\.1.*refused.*10\.0\.0\.200.*Next try in \d+ s/)
})

test('report() with nothing to try says how to name a first peer', async () => {
  await using net = await setup()
  await net.bootstrap.start()
  assert.match(net.bootstrap.report().reasons[0] ?? '', /--bootstrap/)
})

test('peers that were connected are remembered, and tried in the next run', async () => {
  const address = `${at(1)}/p2p/${A}`
  let file: string
  {
    await using net = await setup({ addresses: [address], answers: { [address]: A } })
    await net.bootstrap.start()
    await net.clock.advance(10_000)
    const saved = await net.saved()
    assert.deepEqual(saved.peers[0]?.peer, A)
    file = JSON.stringify(saved)
  }
  await using again = await setup({ file, answers: { [address]: A } })
  await again.bootstrap.start()
  await again.clock.advance(0)
  assert.deepEqual(again.dialled, [address])
  assert.equal(again.bootstrap.report().attempts[0]?.source, 'remembered')
})

test('stop() writes what was remembered since the last save', async () => {
  await using net = await setup()
  await net.bootstrap.start()
  net.open(B, at(2))
  await net.clock.advance(0)
  await net.bootstrap.stop()
  assert.equal((await net.saved()).peers[0]?.peer, B)
})

test('a peer that goes is replaced, but not at the pace of one that flaps', async () => {
  const address = `${at(1)}/p2p/${A}`
  await using net = await setup({ addresses: [address], answers: { [address]: A } })
  await net.bootstrap.start()
  await net.clock.advance(0)
  for (let i = 0; i < 100; i += 1) {
    net.close(A)
    await net.clock.advance(100)
  }
  assert.ok(net.dialled.length >= 5 && net.dialled.length <= 21, `${net.dialled.length} dials`)
})

test('found() dials a peer of the link, also when there are enough others', async () => {
  const address = `${at(3)}/p2p/${C}`
  await using net = await setup({ answers: { [address]: C } })
  await net.bootstrap.start()
  net.open(A, at(1))
  net.bootstrap.found(C, [`${at(2)}/p2p/${C}`, address, `${at(4)}/p2p/${C}`])
  await net.clock.advance(0)
  assert.deepEqual(net.dialled, [`${at(2)}/p2p/${C}`, address])
})

test('found() passes over ourselves and who is connected', async () => {
  await using net = await setup()
  await net.bootstrap.start()
  net.open(A, at(1))
  net.bootstrap.found(SELF, [`${at(9)}/p2p/${SELF}`])
  net.bootstrap.found(A, [`${at(1)}/p2p/${A}`])
  await net.clock.advance(60_000)
  assert.deepEqual(net.dialled, [])
})

test('ten thousand false announcements cost 32 dials a minute', async () => {
  await using net = await setup({ peersMin: 3 })
  await net.bootstrap.start()
  for (let i = 0; i < 10_000; i += 1) {
    net.bootstrap.found(
      idOf(i),
      [1, 2, 3].map((n) => `${at(n)}/p2p/${idOf(i)}`),
    )
  }
  await net.clock.advance(59_999)
  assert.equal(net.dialled.length, 32)
  await net.clock.advance(60_000)
  assert.equal(net.dialled.length, 64)
})

test('a link address that is none does no harm', async () => {
  const good = `${at(3)}/p2p/${C}`
  await using net = await setup({ answers: { [good]: C } })
  await net.bootstrap.start()
  net.bootstrap.found(C, ['nonsense', good])
  await net.clock.advance(0)
  assert.deepEqual(net.dialled, [good])
})

test('a configured first peer that does not answer is a warning, once until it has answered', async () => {
  await using net = await setup({ addresses: [at(1)] })
  await net.bootstrap.start()
  for (let rounds = 0; rounds < 5; rounds += 1) await net.clock.advance(60_000)
  assert.ok(net.dialled.length > 1)
  assert.equal(net.warned.length, 1)
  assert.match(JSON.stringify(net.warned), /10\.0\.0\.1.*configured.*refused/)
})
