import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { race, utf8 } from '../base/index.ts'
import { type PeerId, signerFromSeed } from '../identity/index.ts'
import type { ConnectionInfo } from '../net/index.ts'
import type { Serve } from '../rpc/index.ts'
import type { Cbor } from '../wire/index.ts'
import { Neighbours } from './neighbours.ts'

const peerOf = (n: number) => signerFromSeed(new Uint8Array(32).fill(n)).peer
const self = peerOf(1)
const near = peerOf(2)
const silent = peerOf(3)

/** Neighbours whose connected peers answer from `answers`; who has none there is silent. */
async function setup(answers: ReadonlyMap<PeerId, (method: string, payload: Cbor) => Cbor>) {
  const served = new Map<string, Serve>()
  const open = [near, near, silent].map((peer): ConnectionInfo => {
    const address = { address: '', direction: 'outbound', transport: 'memory' } as const
    return { ...address, peer, path: 'direct', openedAtMs: 0, streams: 0 }
  })
  const clock = new FakeClock()
  const neighbours = new Neighbours({
    clock,
    host: { self, connections: () => open },
    rpc: {
      server: { handle: (method, serve) => void served.set(method, serve) },
      client: {
        async call(peer, method, payload, { signal } = {}) {
          const answer = answers.get(peer)
          if (answer === undefined) return race(new Promise<Cbor>(() => undefined), signal)
          return answer(method, payload)
        },
      },
    },
  })
  await neighbours.start()
  const ask = (method: string, payload: Cbor) => {
    const context = { peer: near, signal: new AbortController().signal }
    return served.get(method)?.(payload, context) ?? assert.fail(method)
  }
  return { neighbours, ask, clock }
}

test('findProviders() asks each connected peer once and names who did not answer', async () => {
  const { neighbours, clock } = await setup(new Map([[near, (_, name) => name === 'mcp:any']]))
  const finding = neighbours.findProviders('mcp:any', { timeoutMs: 2_000 })
  await clock.advance(2_000)
  const found = await finding
  assert.deepEqual(found.providers, [{ peer: near, addresses: [] }])
  assert.deepEqual(found.answered, [near])
  assert.deepEqual(
    found.failed.map(({ peer }) => peer),
    [silent],
  )
  const none = neighbours.findProviders('mcp:none')
  await clock.advance(5_000)
  assert.deepEqual((await none).providers, [])
})

test('get() reads a record from the peer in its key, and from nobody else', async () => {
  const { neighbours } = await setup(new Map([[near, () => utf8('a descriptor')]]))
  const got = await neighbours.get(`/mcp/a/${near}`)
  assert.deepEqual(got, { value: utf8('a descriptor'), publisher: near })
  const stranger = await neighbours.get(`/mcp/a/${self}`)
  assert.deepEqual(stranger, { value: null, publisher: null })
})

test('get() refuses an answer that is no bytes, and passes "no such record" on', async () => {
  const lying = await setup(new Map([[near, () => 'text']]))
  await assert.rejects(lying.neighbours.get(`/mcp/a/${near}`), coded('MCP_DESCRIPTOR_INVALID'))
  const empty = await setup(new Map([[near, () => null]]))
  assert.equal((await empty.neighbours.get(`/mcp/a/${near}`)).value, null)
})

test('a node answers for what it offers, until it takes it back', async () => {
  const { neighbours, ask } = await setup(new Map())
  await neighbours.put('/mcp/a/x', utf8('mine'))
  await neighbours.provide('mcp:any')
  assert.equal(await ask('mcp.has', 'mcp:any'), true)
  assert.deepEqual(await ask('mcp.read', '/mcp/a/x'), utf8('mine'))
  neighbours.unprovide('mcp:any')
  assert.equal(await ask('mcp.has', 'mcp:any'), false)
  await neighbours.stop()
  assert.equal(await ask('mcp.read', '/mcp/a/x'), null)
})

test('a question that is no short text is refused', async () => {
  const { ask } = await setup(new Map())
  await assert.rejects(ask('mcp.has', 7), coded('WIRE_MALFORMED'))
  await assert.rejects(ask('mcp.read', 'x'.repeat(513)), coded('WIRE_MALFORMED'))
})
