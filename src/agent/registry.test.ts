import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Registry, seededRandom, silentLog } from '../base/index.ts'
import { EvmError, type Standing } from '../evm/index.ts'
import { ethAddress } from '../identity/index.ts'
import { agentConfig } from './config.ts'
import { registryMetrics } from './metrics.ts'
import { RegistryGate } from './registry.ts'

const addressOf = (i: number) => ethAddress(`0x${i.toString(16).padStart(40, '0')}`)
const [SELF, ALICE, BOB] = [addressOf(1), addressOf(2), addressOf(3)]
const HOUR_MS = 3_600_000

const REGISTERED: Standing = {
  registered: true,
  status: 'online',
  blockedForAll: false,
  blockedByReceiver: false,
}
const UNKNOWN: Standing = { ...REGISTERED, registered: false }
const AWAY = EvmError.UNREACHABLE({ host: 'chain', method: 'eth_call', reason: 'ECONNREFUSED' })

/** A gate before a chain that answers as `chain.answer` says, or not at all. */
function setup(config: { requireRegistered?: boolean; registryCacheMs?: number } = {}) {
  const clock = new FakeClock(1_000_000)
  const chain = {
    answer: REGISTERED as Standing | Error | 'hangs',
    asked: [] as string[],
  }
  const standing = async (
    agent: string,
    to: string,
    { signal }: { readonly signal?: AbortSignal } = {},
  ) => {
    chain.asked.push(agent)
    assert.equal(to, SELF)
    if (chain.answer instanceof Error) throw chain.answer
    if (chain.answer !== 'hangs') return chain.answer
    return new Promise<never>((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error))
    })
  }
  const common = { self: SELF, clock, random: seededRandom('gate'), log: silentLog }
  const deps = { ...common, registry: { standing }, metrics: registryMetrics(new Registry()) }
  const gate = new RegistryGate(deps, agentConfig.parse({ requireRegistered: true, ...config }))
  return { gate, chain, clock, deps }
}

test('admits() lets a registered sender in and asks once while the answer is fresh', async () => {
  const { gate, chain, clock } = setup()
  assert.deepEqual(await gate.admits(ALICE), { allowed: true })
  await clock.advance(299_000)
  assert.deepEqual(await gate.admits(ALICE), { allowed: true })
  assert.equal(chain.asked.length, 1)
  await clock.advance(2_000)
  await gate.admits(ALICE)
  assert.equal(chain.asked.length, 2)
})

test('admits() refuses the unregistered where an entry is wanted, and nowhere else', async () => {
  const strict = setup()
  strict.chain.answer = UNKNOWN
  assert.deepEqual(await strict.gate.admits(ALICE), { allowed: false, reason: 'unregistered' })
  const open = setup({ requireRegistered: false })
  open.chain.answer = UNKNOWN
  assert.deepEqual(await open.gate.admits(ALICE), { allowed: true })
})

test('who registers after a refusal waits a minute at most', async () => {
  const { gate, chain, clock } = setup()
  chain.answer = UNKNOWN
  await gate.admits(ALICE)
  chain.answer = REGISTERED
  assert.equal((await gate.admits(ALICE)).allowed, false)
  await clock.advance(60_000)
  assert.equal((await gate.admits(ALICE)).allowed, true)
})

test('blocked by the owner, blocked by us, and discontinued are refused either way', async () => {
  for (const requireRegistered of [true, false]) {
    for (const [change, reason] of [
      [{ blockedForAll: true }, 'blocked'],
      [{ blockedByReceiver: true }, 'blocked'],
      [{ blockedForAll: true, registered: false }, 'blocked'],
      [{ status: 'discontinued' }, 'discontinued'],
    ] as const) {
      const { gate, chain } = setup({ requireRegistered })
      chain.answer = { ...REGISTERED, ...change }
      assert.deepEqual(await gate.admits(ALICE), { allowed: false, reason })
    }
  }
})

test('while the chain is away those allowed go on, blocks hold, and the state says why', async () => {
  const { gate, chain, clock } = setup()
  await gate.admits(ALICE)
  chain.answer = { ...REGISTERED, blockedByReceiver: true }
  await gate.admits(BOB)
  chain.answer = AWAY
  await clock.advance(HOUR_MS)
  assert.deepEqual(await gate.admits(ALICE), { allowed: true })
  assert.deepEqual(await gate.admits(BOB), { allowed: false, reason: 'blocked' })
  assert.deepEqual(await gate.admits(addressOf(9)), { allowed: false, reason: 'unavailable' })
  assert.equal(gate.state().state, 'unavailable')
  assert.match(gate.state().reason ?? '', /ECONNREFUSED/)
  assert.match(gate.state().remedy ?? '', /RPC_URL/)

  chain.answer = REGISTERED
  await clock.advance(60_000)
  assert.deepEqual(await gate.admits(addressOf(9)), { allowed: true })
  assert.equal(gate.state().state, 'active')
})

test('a stranger is let in while the chain is away where no entry is wanted', async () => {
  const { gate, chain } = setup({ requireRegistered: false })
  chain.answer = AWAY
  assert.deepEqual(await gate.admits(ALICE), { allowed: true })
  assert.equal(gate.state().state, 'unavailable')
})

test('a chain that is away is asked less and less, not for each message', async () => {
  const { gate, chain, clock } = setup()
  chain.answer = AWAY
  for (let second = 0; second < 300; second += 1) {
    for (let i = 0; i < 10; i += 1) await gate.admits(addressOf(100 + i))
    await clock.advance(1_000)
  }
  assert.ok(chain.asked.length <= 25, `${chain.asked.length} questions in 5 minutes`)
  assert.ok(chain.asked.length >= 10, `${chain.asked.length} questions in 5 minutes`)
})

test('a question that hangs ends, and does not hold up those who are known', async () => {
  const { gate, chain, clock } = setup()
  await gate.admits(ALICE)
  chain.answer = 'hangs'
  await clock.advance(HOUR_MS)
  const verdict = gate.admits(ALICE)
  await clock.advance(3_000)
  assert.deepEqual(await verdict, { allowed: true })
  await clock.advance(12_000)
  assert.equal(gate.state().state, 'unavailable')
  assert.equal(clock.waiting, 0)
})

test('a caller may give up; the question goes on for the others', async () => {
  const { gate, chain, clock } = setup()
  chain.answer = 'hangs'
  const giveUp = new AbortController()
  const [first, second] = [gate.admits(ALICE, { signal: giveUp.signal }), gate.admits(ALICE)]
  giveUp.abort(new TypeError('enough'))
  await assert.rejects(first, /enough/)
  await clock.advance(3_000)
  assert.deepEqual(await second, { allowed: false, reason: 'unavailable' })
  assert.equal(chain.asked.length, 1)
})

test('strangers cannot make us ask without end, nor push out who was allowed', async () => {
  const { gate, chain, clock } = setup()
  await gate.admits(ALICE)
  chain.answer = UNKNOWN
  for (let i = 0; i < 11_000; i += 1) {
    await gate.admits(addressOf(1_000 + i))
    if (i % 20 === 19) await clock.advance(1_000)
  }
  assert.ok(chain.asked.length <= 11_021, `${chain.asked.length}`)
  const before = chain.asked.length
  for (let i = 0; i < 1_000; i += 1) await gate.admits(addressOf(50_000 + i))
  assert.ok(chain.asked.length - before <= 20, `${chain.asked.length - before} at once`)
  chain.answer = AWAY
  await clock.advance(HOUR_MS)
  assert.deepEqual(await gate.admits(ALICE), { allowed: true })
})

test('a crowd of strangers does not let in who is blocked: he is told to come again', async () => {
  const { gate, chain, clock } = setup({ requireRegistered: false })
  chain.answer = UNKNOWN
  for (let i = 0; i < 20; i += 1) await gate.admits(addressOf(1_000 + i))
  chain.answer = { ...UNKNOWN, blockedForAll: true }
  assert.deepEqual(await gate.admits(BOB), { allowed: false, reason: 'unavailable' })
  await clock.advance(1_000)
  assert.deepEqual(await gate.admits(BOB), { allowed: false, reason: 'blocked' })
})

test('without a registry everybody is let in, and the state says that it is off', async () => {
  const { deps } = setup()
  const gate = new RegistryGate({ ...deps, registry: undefined }, agentConfig.parse({}))
  assert.deepEqual(await gate.admits(ALICE), { allowed: true })
  assert.equal(gate.state().state, 'off')
  assert.match(gate.state().reason ?? '', /REGISTRY_ADDRESS/)
})
