/** A grant with a count loses a call where its tool is asked, and nowhere else. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { channelPair } from '../../test/support/mcp-fixture.ts'
import { GrantStore, Grants } from '../access/index.ts'
import { Registry, seededRandom, silentLog } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { Bridge } from './bridge.ts'
import { mcpConfig } from './config.ts'
import { StreamExposure } from './exposure-stream.ts'
import { RequestGate } from './gate.ts'
import { Journal } from './journal.ts'
import { SqliteJournal } from './journal-store.ts'
import { KeyedCalls } from './keyed-calls.ts'
import { mcpMetrics } from './metrics.ts'
import { pipePair } from './pipe.ts'
import { encodeMessage, GRANT_META, KEY_META, parseFrame, type RpcId } from './protocol.ts'

const random = seededRandom('counted')
const bob = generateKeys(random).signer
const alice = generateKeys(random).signer.peer
const eve = generateKeys(random).signer.peer
const [KEY, OTHER] = ['the-key-of-one-call', 'the-key-of-another']

/** A stream of Alice's, who has a grant for so many calls; Eve can take the only place. */
async function setup(callsMax: number, reserve = (_: number): boolean => true) {
  const clock = new FakeClock(1_000_000)
  const metrics = mcpMetrics(new Registry())
  const requests = new RequestGate(
    { policy: { admit: () => undefined }, clock, metrics },
    { concurrentMax: 1, requestTimeoutMs: 1_000 },
  )
  const store = new GrantStore(':memory:')
  const grants = new Grants({ store, signer: bob, network: 'main', clock, random })
  const asked = { to: alice, service: 's', expiresInSeconds: 900, callsMax }
  const { token } = await grants.issue(asked)
  const journal = new Journal({ clock, store: new SqliteJournal(':memory:') }, mcpConfig.parse({}))
  const calls = new KeyedCalls(alice, { journal, isIdempotent: () => false })
  const exposure = new StreamExposure({
    peer: alice,
    grants,
    exposureOf: () => ({ allow: 'granted' }),
  })
  exposure.select('s')
  const [peer, plain] = channelPair(alice, bob.peer)
  const channel = { ...plain, reserve }
  const [backend, outer] = pipePair()
  const gate = requests.forStream(alice, (id, error) => bridge.expire(id, error))
  const deps = { channel, gate, calls, exposure, clock, log: silentLog, idleMs: 600_000 }
  const bridge: Bridge = new Bridge(deps)
  bridge.selected('s')
  const first = encodeMessage({ jsonrpc: '2.0', method: 'notifications/initialized' })
  bridge.run(outer, first).catch(() => {})
  await backend.read()
  const ran: RpcId[] = []
  const serve = async () => {
    for (let frame = await backend.read(); frame !== undefined; frame = await backend.read()) {
      const { id, method } = parseFrame(frame)
      if (method !== 'tools/call') continue
      ran.push(id as RpcId)
      await backend.write(encodeMessage({ jsonrpc: '2.0', id, result: { content: [] } }))
    }
  }
  serve().catch(() => {})
  const send = (id: number, key?: string, text = '') => {
    const meta = { [GRANT_META]: [token], ...(key !== undefined && { [KEY_META]: key }) }
    const params = { name: 't', arguments: { text }, _meta: meta }
    return peer.write(encodeMessage({ jsonrpc: '2.0', id, method: 'tools/call', params }))
  }
  const reads = async () => {
    const answer = parseFrame((await peer.read()) ?? assert.fail('the stream ended'))
    const { error } = answer as { error?: { data: { code: string } } }
    return [answer.id, error?.data.code ?? 'ok']
  }
  const others = requests.forStream(eve, () => undefined)
  const taken = () => {
    others.enter('e', 'm', 4_000)
    return () => others.answered('e', false)
  }
  const used = () => grants.list()[0]?.calls
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  return { clock, peer, journal, send, reads, taken, ran, used, settled }
}

test('a call that found no place costs its grant nothing', async () => {
  const { clock, send, reads, taken, ran, used, settled } = await setup(1)
  const free = taken()
  await send(1)
  await settled()
  await clock.advance(500)
  assert.deepEqual(await reads(), [1, 'MCP_BUSY'])
  assert.equal(used(), 0)
  free()
  await send(2)
  assert.deepEqual(await reads(), [2, 'ok'])
  await send(3)
  assert.deepEqual(await reads(), [3, 'ACCESS_GRANT_USED_UP'])
  assert.deepEqual([ran, used()], [[2], 1])
})

test('a call that is given up as it waits, or for which there is no memory, costs nothing', async () => {
  const { peer, send, reads, taken, ran, used, settled } = await setup(
    1,
    (bytes) => bytes < 100_000,
  )
  const free = taken()
  await send(1)
  await settled()
  const params = { requestId: 1 }
  await peer.write(encodeMessage({ jsonrpc: '2.0', method: 'notifications/cancelled', params }))
  await send(2, undefined, 'x'.repeat(200_000))
  assert.deepEqual(await reads(), [2, 'MCP_BUSY'])
  free()
  await send(3)
  assert.deepEqual(await reads(), [3, 'ok'])
  assert.deepEqual([ran, used()], [[3], 1])
})

test('a key that comes again is answered although the grant is used up, and nothing runs', async () => {
  const { send, reads, ran, used } = await setup(1)
  await send(1, KEY)
  assert.deepEqual(await reads(), [1, 'ok'])
  await send(2, KEY)
  assert.deepEqual(await reads(), [2, 'ok'])
  await send(3, OTHER)
  assert.deepEqual(await reads(), [3, 'ACCESS_GRANT_USED_UP'])
  await send(4, KEY, 'other arguments')
  assert.deepEqual(await reads(), [4, 'MCP_KEY_REUSED'])
  assert.deepEqual([ran, used()], [[1], 1])
})

test('of calls that wait together no more run than the grant has', async () => {
  const { journal, send, reads, taken, ran, used, settled } = await setup(1)
  const free = taken()
  await send(1, KEY)
  await send(2, OTHER)
  await settled()
  free()
  assert.deepEqual(await reads(), [1, 'ok'])
  assert.deepEqual(await reads(), [2, 'ACCESS_GRANT_USED_UP'])
  assert.deepEqual([ran, used()], [[1], 1])
  assert.equal(journal.knows(alice, OTHER), false, 'its key is free: it never ran')
})
