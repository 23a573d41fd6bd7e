import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { ALICE, BOB, duo, scratch } from '../../test/support/mcp-fixture.ts'
import { seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import type { Channel } from '../net/index.ts'
import type { JsonObject } from '../wire/index.ts'
import { encodeInvitation } from './invitation.ts'
import { HeldInvitations, proofOf, showsInvitation } from './invited.ts'
import { onBehalfOf } from './on-behalf.ts'
import { tool } from './own-tool.ts'
import { encodeMessage, INVITED_META, parseFrame, SERVICE_META } from './protocol.ts'

const CAROL = generateKeys(seededRandom('carol')).signer.peer
const SECRET = seededRandom('secret').bytes(32)
const CALL = { caller: ALICE, callee: BOB, service: 'calc' }
const NOW_MS = 1_800_000_000_000
const shown = (proof: string, call = CALL, nowMs = NOW_MS) => {
  return showsInvitation({ [INVITED_META]: proof }, SECRET, { ...call, nowMs })
}

test('a proof is good for its caller, its callee and its service, for two minutes', () => {
  const proof = proofOf(SECRET, CALL, NOW_MS)
  assert.ok(shown(proof))
  assert.ok(shown(proof, CALL, NOW_MS + 119_000))
  assert.equal(shown(proof, CALL, NOW_MS + 122_000), false)
  assert.equal(shown(proof, CALL, NOW_MS - 122_000), false)
  assert.equal(shown(proof, { ...CALL, caller: CAROL }), false, 'replayed by another peer')
  assert.equal(shown(proof, { ...CALL, callee: CAROL }), false, 'replayed at another peer')
  assert.equal(shown(proof, { ...CALL, service: 'calk' }), false)
  assert.equal(shown(proofOf(SECRET.toReversed(), CALL, NOW_MS)), false)
})

test('what is no proof shows nothing, with any character changed or any other value', () => {
  const proof = proofOf(SECRET, CALL, NOW_MS)
  fc.assert(
    fc.property(fc.nat(proof.length - 1), fc.constantFrom('A', '1', '-', '.'), (at, char) => {
      const bent = proof.slice(0, at) + char + proof.slice(at + 1)
      // The last character has two bits that base64url leaves open.
      fc.pre(bent !== proof && at < proof.length - 1)
      assert.equal(shown(bent), false)
    }),
  )
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const meta = { [INVITED_META]: value } as JsonObject
      assert.equal(showsInvitation(meta, SECRET, { ...CALL, nowMs: NOW_MS }), false)
    }),
  )
})

test('a node shows what it was invited to, to the peers it was named, and never for others', () => {
  const clock = new FakeClock(NOW_MS)
  const held = new HeldInvitations({ self: ALICE, clock })
  assert.deepEqual(held.metaFor({ peer: BOB, service: 'calc' }), {})
  held.learn(encodeInvitation({ service: 'calc', secret: SECRET, peers: [BOB] }))
  const { [INVITED_META]: proof } = held.metaFor({ peer: BOB, service: 'calc' })
  assert.ok(typeof proof === 'string' && shown(proof))
  assert.deepEqual(held.metaFor({ peer: CAROL, service: 'calc' }), {})
  assert.deepEqual(held.metaFor({ peer: BOB, service: 'other' }), {})
  const served = { peer: CAROL, chain: [], tokens: [] }
  const lent = onBehalfOf(served, () => held.metaFor({ peer: BOB, service: 'calc' }))
  assert.deepEqual(lent, {})
})

async function ask(channel: Channel, message: object): Promise<string> {
  await channel.write(encodeMessage({ jsonrpc: '2.0', ...message }))
  const frame = await channel.read()
  await channel.close()
  return frame === undefined ? 'the end' : JSON.stringify(parseFrame(frame))
}

const add = tool('add', { description: 'adds' }, () => 'added')

test('a blinded service is, for who was not invited, as one that is not there', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  net.services.exposeTools('hidden', [add], undefined, { visibility: 'blinded' })
  net.services.exposeTools('open', [add])
  const secret = net.services.secretOf('hidden')
  assert.ok(secret !== undefined)
  const call = { caller: ALICE, callee: BOB, service: 'hidden' }
  const asks = (service: string, method: string, meta: JsonObject = {}) => {
    const _meta = { [SERVICE_META]: service, ...meta }
    return ask(net.open(), { id: 1, method, params: { name: 'add', arguments: {}, _meta } })
  }
  const bad: JsonObject[] = [
    {},
    { [INVITED_META]: proofOf(secret, { ...call, caller: CAROL }, Date.now()) },
    { [INVITED_META]: proofOf(secret, call, Date.now() - 300_000) },
    { [INVITED_META]: 'x' },
  ]
  for (const method of ['tools/call', 'tools/list', 'initialize', 'resources/read']) {
    const nobody = await asks('absent', method)
    assert.match(nobody, /MCP_SERVICE_UNKNOWN/)
    for (const meta of bad) {
      const answer = await asks('hidden', method, meta)
      assert.equal(answer.replaceAll('hidden', 'absent'), nobody, JSON.stringify([method, meta]))
    }
  }
  const proof = proofOf(secret, call, Date.now())
  const listed = await asks('hidden', 'tools/list', { [INVITED_META]: proof })
  assert.doesNotMatch(listed, /MCP_SERVICE_UNKNOWN/)
})

test('on a stream of all services, a blinded one is neither listed nor called', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  net.services.exposeTools('hidden', [add], undefined, { visibility: 'blinded' })
  net.services.exposeTools('open', [add])
  const asks = (name: string) => {
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    }
    const params = { name, arguments: {}, _meta }
    return ask(net.open(), { id: 1, method: 'tools/call', params })
  }
  assert.match(await asks('open_add'), /added/)
  const [hidden, absent] = [await asks('hidden_add'), await asks('absent_add')]
  assert.match(absent, /MCP_SERVICE_UNKNOWN/)
  assert.equal(hidden.replaceAll('hidden', 'absent'), absent)
})
