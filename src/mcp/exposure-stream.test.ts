import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { GrantStore, Grants } from '../access/index.ts'
import { fromUtf8, hasCode, seededRandom, utf8 } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import type { JsonObject } from '../wire/index.ts'
import type { Exposure } from './exposure.ts'
import { StreamExposure } from './exposure-stream.ts'
import { CHAIN_META, GRANT_META, parseFrame, readMessage } from './protocol.ts'
import { linkTo } from './result-protocol.ts'

const random = seededRandom('exposure')
const host = generateKeys(random).signer
const alice = generateKeys(random).signer.peer
const bob = generateKeys(random).signer.peer
const EXPOSED: Readonly<Record<string, Exposure>> = {
  open: { allow: 'public', tools: { wipe: 'granted' } },
  files: { allow: 'granted', tools: { count: 'public' } },
  notes: { allow: [alice] },
  shut: { allow: 'granted' },
}

function setup(service?: string, peer = alice) {
  const store = new GrantStore(':memory:')
  const clock = new FakeClock(1_000_000)
  const grants = new Grants({ store, signer: host, network: 'main', clock, random })
  const stream = new StreamExposure({ peer, grants, exposureOf: (name) => EXPOSED[name] })
  stream.select(service)
  return { grants, stream }
}

function request(method: string, params: JsonObject = {}, id = 1) {
  const message = readMessage({ jsonrpc: '2.0', id, method, params })
  assert.ok(message.kind === 'request')
  return message
}

const call = (name: string, meta: JsonObject = {}, args: JsonObject = {}) => {
  return request('tools/call', { name, arguments: args, _meta: meta })
}
const missing = coded('ACCESS_GRANT_MISSING')

test('a public tool is for everybody, and one of its service that is not is not', () => {
  const { stream } = setup('open')
  stream.open(request('initialize'))
  const right = stream.check(call('echo'))
  assert.deepEqual(right, { service: 'open', grant: null, chain: [] })
  assert.throws(() => stream.check(call('wipe')), missing)
})

test('what is called has a name that is text, also where all is public', () => {
  const invalid = coded('MCP_REQUEST_INVALID')
  for (const service of ['open', undefined]) {
    const { stream } = setup(service)
    for (const params of [{}, { name: 5 }, { name: ['wipe'] }, { name: null }]) {
      assert.throws(() => stream.check(request('tools/call', params)), invalid)
    }
  }
})

test('a call is counted as it is handed on, also one that was known when it came', async () => {
  const { stream, grants } = setup('shut')
  const asked = { to: alice, service: 'shut', expiresInSeconds: 9, callsMax: 1 }
  const { token } = await grants.issue(asked)
  const one = call('x', { [GRANT_META]: [token] })
  const usedUp = coded('ACCESS_GRANT_USED_UP')
  stream.check(one)
  stream.check(one)
  assert.equal(stream.handOn(one)?.chain.length, 2)
  assert.throws(() => stream.check(one), usedUp)
  stream.check(one, true)
  assert.throws(() => stream.handOn(one), usedUp, 'what the journal has forgotten runs no more')
  assert.throws(() => stream.check(call('x'), true), missing, 'a key is no right')
})

test('named peers need no grant, others do', () => {
  setup('notes').stream.check(call('add'))
  const { stream } = setup('notes', bob)
  assert.throws(() => stream.open(request('initialize')), missing)
  assert.throws(() => stream.check(call('add')), missing)
})

test('a stream opens only for who may use something of its service', async () => {
  const { stream, grants } = setup('shut')
  assert.throws(() => stream.open(request('initialize')), missing)
  const { token } = await grants.issue({ to: alice, service: 'shut', expiresInSeconds: 9 })
  stream.open(request('initialize', { _meta: { [GRANT_META]: [token] } }))
  assert.throws(() => stream.check(call('x')), missing, 'a call shows its own')
  assert.equal(stream.check(call('x', { [GRANT_META]: [token] }))?.chain.length, 2)
})

test('on a stream of all services the name of a tool says which is meant', async () => {
  const { stream, grants } = setup()
  stream.check(call('open_echo'))
  assert.throws(() => stream.check(call('files_read')), missing)
  assert.throws(() => stream.check(call('open_wipe')), missing)
  const { token } = await grants.issue({ to: alice, service: 'files', expiresInSeconds: 9 })
  stream.check(call('files_read', { [GRANT_META]: [token] }))
})

test('a list holds what its reader may call, and nothing else', async () => {
  const { stream, grants } = setup('files')
  const names = (frame: Uint8Array | undefined) => {
    assert.ok(frame !== undefined)
    const { result } = parseFrame(frame) as { result: { tools: { name: string }[] } }
    return result.tools.map(({ name }) => name)
  }
  const answer = { jsonrpc: '2.0', id: 1, result: { tools: ['read', 'write', 'count'].map(named) } }
  stream.check(request('tools/list'))
  assert.deepEqual(names(stream.filtered(1, answer)), ['count'])
  assert.equal(stream.filtered(1, answer), undefined, 'once')
  const { token } = await grants.issue({
    to: alice,
    service: 'files',
    tool: 'read',
    expiresInSeconds: 9,
  })
  stream.check(request('tools/list', { _meta: { [GRANT_META]: [token] } }))
  assert.deepEqual(names(stream.filtered(1, answer)), ['read', 'count'])
  const { peer, exposureOf } = { peer: alice, exposureOf: (name: string) => EXPOSED[name] }
  const shown = new StreamExposure({ peer, grants, exposureOf })
  shown.select('files')
  shown.check(request('initialize', { _meta: { [GRANT_META]: [token] } }))
  shown.check(request('tools/list'))
  assert.deepEqual(names(shown.filtered(1, answer)), ['read', 'count'])
})

test('a list that comes late, or is kept because it is long, shows no more than others', () => {
  const { stream } = setup('files')
  const answer = { jsonrpc: '2.0', id: 1, result: { tools: ['read', 'count'].map(named) } }
  stream.check(request('tools/list'))
  // The gate has given the list up, and its id is used again before the service answers.
  stream.check(request('ping'))
  const late = stream.filtered(1, answer)
  assert.doesNotMatch(fromUtf8(late ?? assert.fail('passed as it was')), /read/)
  stream.check(request('tools/list', {}, 2))
  const kept = { id: 'a'.repeat(32), size: 17 * 1024 * 1024, sha256: 'b'.repeat(64) }
  const long = stream.filtered(2, { jsonrpc: '2.0', id: 2, result: { content: [linkTo(kept)] } })
  assert.match(fromUtf8(long ?? assert.fail('passed as it was')), /MCP_RESULT_TOO_LARGE/)
})

const named = (name: string): JsonObject => ({ name })

test('resources and prompts want a right to all of the service', async () => {
  const { stream, grants } = setup('files')
  for (const method of ['resources/read', 'prompts/get', 'completion/complete', 'made/up']) {
    assert.throws(() => stream.check(request(method)), missing, method)
  }
  for (const method of ['initialize', 'ping', 'server/discover']) stream.check(request(method))
  const asked = { to: alice, service: 'files', expiresInSeconds: 9 }
  const part = await grants.issue({ ...asked, tool: 'read' })
  const whole = await grants.issue(asked)
  const meta = (token: string) => ({ _meta: { [GRANT_META]: [token] } })
  assert.throws(() => stream.check(request('resources/read', meta(part.token))), missing)
  stream.check(request('resources/read', meta(whole.token)))
})

test('those for whom a peer calls must have the right as well', () => {
  const { stream } = setup('notes')
  stream.check(call('add', { [CHAIN_META]: [alice] }))
  assert.throws(() => stream.check(call('add', { [CHAIN_META]: [bob] })), missing)
  setup('open').stream.check(call('echo', { [CHAIN_META]: [bob] }))
})

test('rights that are not of our form are refused, not passed over', () => {
  const { stream } = setup('files')
  const bad: readonly JsonObject[] = [
    { [GRANT_META]: 'x' },
    { [GRANT_META]: ['a', 'b', 'c', 'd', 'e'] },
    { [GRANT_META]: ['x'.repeat(4_097)] },
    { [CHAIN_META]: [5] },
    { [CHAIN_META]: ['nobody'] },
    { [CHAIN_META]: new Array(9).fill(bob) as string[] },
  ]
  for (const meta of bad) {
    const check = () => stream.check(call('read', meta))
    assert.throws(check, (error) => hasCode(error, 'MCP_REQUEST_INVALID'), JSON.stringify(meta))
  }
})

test('what a guarded service is handed has no key twice', () => {
  const text =
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":' +
    '{"path":"/etc"},"arguments":{"path":"/x"}}}'
  const frame = utf8(text)
  const written = setup('files').stream.rewritten(frame, parseFrame(frame))
  assert.equal(fromUtf8(written).includes('/etc'), false)
  const plain = new StreamExposure({
    peer: alice,
    grants: setup().grants,
    exposureOf: () => ({ allow: 'public' }),
  })
  plain.select('any')
  assert.equal(plain.rewritten(frame, parseFrame(frame)), frame)
})
