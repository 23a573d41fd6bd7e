import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { coded } from '../../test/support/expect.ts'
import { fakeChain, type Reply } from '../../test/support/fake-chain.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Registry, seededRandom, silentLog } from '../base/index.ts'
import { Chain } from './chain.ts'
import { signerOf } from './contracts.ts'
import { evmMetrics } from './metrics.ts'
import type { Fetch } from './shapes.ts'

const KEY = `0x${'5'.repeat(64)}`
const TO = `0x${'1'.repeat(40)}` as const
const CALL = { to: TO, data: '0x01', call: 'doing it' } as const
const FEES = {
  eth_chainId: { result: '0x7a69' },
  eth_getTransactionCount: { result: '0x0' },
  eth_estimateGas: { result: '0x5208' },
  eth_maxPriorityFeePerGas: { result: '0x1' },
  eth_getBlockByNumber: { result: { number: '0x1', baseFeePerGas: '0x7', transactions: [] } },
} as const

async function settle<T>(work: Promise<T>, advance: () => Promise<void>): Promise<T> {
  const state = { over: false }
  const end = () => {
    state.over = true
  }
  work.then(end, end)
  for (let i = 0; !state.over && i < 400; i += 1) {
    await setImmediate()
    await advance()
  }
  return work
}

test('a request is tried again while nobody answers, with pauses', async () => {
  const { chain, clock, asked, registry } = fakeChain({
    eth_chainId: (_, times) => (times < 2 ? { refuses: 'ECONNREFUSED' } : { result: '0x2105' }),
  })
  assert.equal(await settle(chain.id(), () => clock.advance(1_000)), 8_453n)
  assert.equal(asked.length, 3)
  assert.equal(await registry.total('p2p_evm_requests', { outcome: 'unreachable' }), 2)
  assert.equal(await registry.total('p2p_evm_requests', { outcome: 'ok' }), 1)
  assert.equal(clock.waiting, 0)
})

test('a chain that hangs is given up after its time, and the error says so', async () => {
  const { chain, clock, asked } = fakeChain({ eth_chainId: 'hangs' }, { attemptsMax: 2 })
  const failed = settle(chain.id(), () => clock.advance(5_000))
  await assert.rejects(failed, /no answer in 10000 ms/)
  await assert.rejects(failed, coded('EVM_UNREACHABLE'))
  assert.equal(asked.length, 2)
})

test('a caller that gives up ends the request', async () => {
  const { chain, clock } = fakeChain({ eth_chainId: 'hangs' })
  const giveUp = new AbortController()
  const failed = chain.id({ signal: giveUp.signal })
  await setImmediate()
  giveUp.abort(new TypeError('enough'))
  await assert.rejects(failed, /enough/)
  assert.equal(clock.waiting, 0)
})

test('what the chain fails with is told apart, and only silence is tried again', async () => {
  const status = (code: number) => ({ response: new Response('no', { status: code }) })
  const rows: readonly (readonly [() => Reply, string, number])[] = [
    [() => status(503), 'EVM_UNREACHABLE', 3],
    [() => status(429), 'EVM_UNREACHABLE', 3],
    [() => ({ error: { code: -32_005, message: 'slower' } }), 'EVM_UNREACHABLE', 3],
    [() => status(401), 'EVM_RPC_FAILED', 1],
    [() => ({ error: { code: -32_000, message: 'no such block' } }), 'EVM_RPC_FAILED', 1],
    [() => ({ result: 17 }), 'EVM_ANSWER_MALFORMED', 1],
    [() => ({ result: null }), 'EVM_ANSWER_MALFORMED', 1],
    [() => ({ response: new Response('<html>') }), 'EVM_ANSWER_MALFORMED', 1],
    [() => ({ response: new Response('x'.repeat(1_048_577)) }), 'EVM_ANSWER_MALFORMED', 1],
  ]
  for (const [reply, code, times] of rows) {
    const { chain, clock, asked } = fakeChain({ eth_call: reply })
    const failed = settle(chain.call({ to: TO, data: '0x' }), () => clock.advance(1_000))
    await assert.rejects(failed, coded(code), code)
    assert.equal(asked.length, times, code)
  }
})

test('a number is one of 256 bits, or none', async () => {
  const idOf = (result: string) => fakeChain({ eth_chainId: { result } }).chain.id()
  assert.equal(await idOf(`0x${'f'.repeat(64)}`), 2n ** 256n - 1n)
  for (const digits of ['', 'f'.repeat(65), 'f'.repeat(900_000)]) {
    await assert.rejects(idOf(`0x${digits}`), coded('EVM_ANSWER_MALFORMED'))
  }
})

test('a chain that sends us elsewhere is not followed: our words are for its host', async () => {
  const modes: unknown[] = []
  const deps = { clock: new FakeClock(), random: seededRandom('chain'), log: silentLog }
  const fetch: Fetch = async (_, init) => {
    modes.push(init?.redirect)
    throw new TypeError('fetch failed', { cause: new Error('unexpected redirect') })
  }
  const metrics = evmMetrics(new Registry())
  const config = { url: 'https://chain.example/key-7f3a91', requestTimeoutMs: 1, attemptsMax: 1 }
  const chain = new Chain({ ...deps, fetch, metrics }, config)
  await assert.rejects(chain.id(), coded('EVM_UNREACHABLE'))
  assert.deepEqual(modes, ['error'])
})

test('no error shows the URL, whose path may be a key, even when the chain repeats it', async () => {
  const [login, password, path, query] = [
    'someone-here',
    'p%40ssword-1',
    'key-7f3a91',
    'tok-9876543',
  ]
  const url = `https://${login}:${password}@chain.example/v3/${path}?apikey=${query}`
  const secrets = [login, 'p@ssword-1', password, path, query]
  const replies: readonly Reply[] = [
    { error: { code: -32_000, message: `bad ${secrets.join(' ')}\n\u001b[2J` } },
    { response: new Response(`no ${path}`, { status: 403 }) },
    { response: new Response(`no ${path}`) },
    { refuses: 'ENOTFOUND' },
  ]
  for (const reply of replies) {
    const { chain } = fakeChain({ eth_call: reply }, { url, attemptsMax: 1 })
    const error = await chain.call({ to: TO, data: '0x' }).then(
      () => assert.fail(),
      (failed: unknown) => failed as Error,
    )
    const told = `${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`
    for (const secret of secrets) assert.equal(told.includes(secret), false, `${secret} in ${told}`)
    assert.match(error.message, /chain\.example/)
    assert.doesNotMatch(error.message, /[^\x20-\x7e…]/)
  }
})

test('what is no URL of HTTP is refused without being repeated', () => {
  const deps = {} as ConstructorParameters<typeof Chain>[0]
  for (const url of ['', 'secret', 'ws://chain.example', `https://a/${'x'.repeat(2_048)}`]) {
    const make = () => new Chain(deps, { url, requestTimeoutMs: 1, attemptsMax: 1 })
    assert.throws(make, (error: Error) => {
      return coded('EVM_VALUE_INVALID')(error) && (url === '' || !error.message.includes(url))
    })
  }
})

test('a transaction is sent once, its hash is told, and its block is waited for', async () => {
  const { chain, clock, asked } = fakeChain({
    ...FEES,
    eth_sendRawTransaction: { refuses: 'ECONNRESET' },
    eth_getTransactionReceipt: (_, times) =>
      times < 3
        ? (([{ result: null }, { refuses: 'ECONNRESET' }, { result: null }] as const)[times] ??
          'hangs')
        : { result: { status: '0x1', blockNumber: '0x2', contractAddress: null } },
  })
  const hashes: string[] = []
  const signer = await signerOf(KEY)
  const sent = (hash: string) => void hashes.push(hash)
  const receipt = await settle(chain.send(CALL, signer, { sent }), () => clock.advance(1_000))
  assert.deepEqual([receipt.block, [receipt.hash]], [2n, hashes])
  assert.equal(asked.filter(({ method }) => method === 'eth_sendRawTransaction').length, 1)
  assert.equal(JSON.stringify(asked).includes('5'.repeat(64)), false, 'the key stays here')
  assert.equal(clock.waiting, 0)
})

test('a transaction in no block is one of unknown outcome, with its hash', async () => {
  const replies = {
    eth_sendRawTransaction: { result: '0x' },
    eth_getTransactionReceipt: { result: null },
  }
  const { chain, clock } = fakeChain({ ...FEES, ...replies })
  const failed = settle(chain.send(CALL, await signerOf(KEY)), () => clock.advance(2_000))
  await assert.rejects(failed, coded('EVM_OUTCOME_UNKNOWN'))
  await assert.rejects(failed, /doing it: transaction 0x[0-9a-f]{64} was sent/)
})

test('a chain that asks too much, or would choose what we sign, gets no transaction', async () => {
  const signer = await signerOf(KEY)
  const dear = fakeChain({ ...FEES, eth_maxPriorityFeePerGas: { result: `0x${'f'.repeat(16)}` } })
  await assert.rejects(dear.chain.send(CALL, signer), coded('EVM_FEE_TOO_HIGH'))
  const sly = fakeChain({ ...FEES, eth_sendRawTransaction: { error: { code: 1, message: 'no' } } })
  await assert.rejects(sly.chain.send(CALL, signer), coded('EVM_RPC_FAILED'))
  const methods = [dear, sly].flatMap(({ asked }) => asked.map(({ method }) => method))
  assert.equal(methods.includes('eth_fillTransaction'), false)
  assert.equal(methods.filter((method) => method === 'eth_sendRawTransaction').length, 1)
})

test('what was undone in its block, or not taken at all, did not happen', async () => {
  const signer = await signerOf(KEY)
  const undone = fakeChain({
    ...FEES,
    eth_sendRawTransaction: { result: '0x' },
    eth_getTransactionReceipt: { result: { status: '0x0', blockNumber: '0x2' } },
  })
  await assert.rejects(undone.chain.send(CALL, signer), coded('EVM_CONTRACT_REFUSED'))
  const error = { code: -32_003, message: 'insufficient funds' }
  const poor = fakeChain({ ...FEES, eth_sendRawTransaction: { error } })
  await assert.rejects(poor.chain.send(CALL, signer), /insufficient funds/)
  const refuses = { refuses: 'ECONNREFUSED' }
  const silent = Object.fromEntries(Object.keys(FEES).map((method) => [method, refuses]))
  const away = fakeChain(silent, { attemptsMax: 1 })
  await assert.rejects(away.chain.send(CALL, signer), coded('EVM_UNREACHABLE'))
  const odd = fakeChain({ ...FEES, eth_getTransactionCount: { result: 'many' } })
  await assert.rejects(odd.chain.send(CALL, signer), coded('EVM_ANSWER_MALFORMED'))
})
