import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { AuditLog } from './audit.ts'
import { attenuateCapability } from './capability.ts'
import { type GrantCall, Grants } from './grants.ts'
import { HeldGrants } from './grants-held.ts'
import { BLOCKS_COUNTED_MAX, GrantStore } from './grants-store.ts'

const random = seededRandom('grants')
const host = generateKeys(random).signer
const alice = generateKeys(random).signer
const bob = generateKeys(random).signer
const network = 'main'

function setup(signer = host) {
  const clock = new FakeClock(1_000_000_000)
  const store = new GrantStore(':memory:')
  const deps = { store, signer, network, clock, random }
  return { clock, store, grants: new Grants(deps), held: new HeldGrants(deps) }
}

const call = (over: Partial<GrantCall> = {}): GrantCall => {
  return { peer: alice.peer, service: 'files', tool: 'read', args: { path: '/x/a' }, ...over }
}
const request = { to: alice.peer, service: 'files', expiresInSeconds: 60 }

test('a grant lets its peer call what it is for, and nobody else anything', async () => {
  const { grants } = setup()
  const args = { path: { kind: 'prefix', path: '/x' } } as const
  const { token, id } = await grants.issue({ ...request, tool: 'read', args })
  const granted = grants.authorise(call(), [token])
  assert.deepEqual(granted, { grant: id, block: id, chain: [host.peer, alice.peer] })
  const refused: readonly [Partial<GrantCall>, string][] = [
    [{ peer: bob.peer }, 'ACCESS_GRANT_AUDIENCE'],
    [{ tool: 'write' }, 'ACCESS_GRANT_MISSING'],
    [{ service: 'notes' }, 'ACCESS_GRANT_MISSING'],
    [{ args: { path: '/y' } }, 'ACCESS_GRANT_MISSING'],
    [{ args: {} }, 'ACCESS_GRANT_MISSING'],
    [{ onBehalfOf: [bob.peer] }, 'ACCESS_GRANT_MISSING'],
  ]
  for (const [over, code] of refused) {
    assert.throws(() => grants.authorise(call(over), [token]), coded(code), JSON.stringify(over))
  }
  assert.throws(() => grants.authorise(call(), []), coded('ACCESS_GRANT_MISSING'))
  assert.equal(grants.list()[0]?.calls, 1, 'what was refused is not counted')
})

test('a refusal says which argument is outside, and what to ask for', async () => {
  const { grants } = setup()
  const args = { path: { kind: 'prefix', path: '/x' } } as const
  const { token } = await grants.issue({ ...request, args })
  assert.throws(
    () => grants.authorise(call({ args: { path: '/etc/passwd' } }), [token]),
    /"path" is outside the grant, which wants it inside \/x; .*"p2p grant files --tool read --to /,
  )
})

test('a token that somebody else issued costs no signature to pass over', async () => {
  const { grants } = setup()
  const theirs = await setup(bob).grants.issue(request)
  const bytes = Buffer.from(theirs.token, 'base64url')
  bytes.set([(bytes.at(-1) ?? 0) ^ 1], bytes.length - 1)
  const forged = bytes.toString('base64url')
  // Whoever checks the signature sees that it is forged.
  assert.throws(() => grants.authorise(call(), [forged]), coded('ACCESS_GRANT_MISSING'))
  assert.deepEqual(grants.rightsOf(alice.peer, [forged]), [])
})

test('a grant ends with its time, and does not begin before it', async () => {
  const { grants, clock } = setup()
  const { token } = await grants.issue({ ...request, notBefore: 1_000_010 })
  assert.throws(() => grants.authorise(call(), [token]), coded('ACCESS_GRANT_EARLY'))
  await clock.advance(10_000)
  grants.authorise(call(), [token])
  await clock.advance(50_000)
  assert.throws(() => grants.authorise(call(), [token]), coded('ACCESS_GRANT_EXPIRED'))
  assert.equal(grants.list()[0]?.state, 'expired')
})

test('a count is used up by all who hold a part of the grant', async () => {
  const { grants } = setup()
  const { token } = await grants.issue({ ...request, callsMax: 3 })
  const deps = { signer: alice, network, random }
  const part = await attenuateCapability(token, { callsMax: 1, audience: bob.peer }, deps)
  grants.authorise(call({ peer: bob.peer }), [part])
  const again = () => grants.authorise(call({ peer: bob.peer }), [part])
  assert.throws(again, coded('ACCESS_GRANT_USED_UP'))
  grants.authorise(call(), [token])
  grants.authorise(call(), [token])
  assert.throws(() => grants.authorise(call(), [token]), coded('ACCESS_GRANT_USED_UP'))
  assert.equal(grants.list()[0]?.state, 'used up')
})

test('revoking a grant ends all that was handed on; revoking a part ends that part', async () => {
  const { grants } = setup()
  const { token, id } = await grants.issue(request)
  const deps = { signer: alice, network, random }
  const part = await attenuateCapability(token, { audience: bob.peer }, deps)
  const { block } = grants.authorise(call({ peer: bob.peer }), [part])
  grants.revoke(block)
  const byBob = () => grants.authorise(call({ peer: bob.peer }), [part])
  assert.throws(byBob, coded('ACCESS_GRANT_REVOKED'))
  grants.authorise(call(), [token])
  grants.revoke(id)
  assert.throws(() => grants.authorise(call(), [token]), coded('ACCESS_GRANT_REVOKED'))
  assert.throws(() => grants.revoke('0'.repeat(32)), coded('ACCESS_GRANT_UNKNOWN'))
})

test('a token that another node issued gives nothing here, whoever shows it', async () => {
  const other = setup(bob)
  const { grants } = setup()
  const { token } = await other.grants.issue(request)
  assert.throws(() => grants.authorise(call(), [token]), coded('ACCESS_GRANT_MISSING'))
  assert.deepEqual(grants.rightsOf(alice.peer, [token]), [])
})

test('a token whose grant is not in the store is worth nothing', async () => {
  const { token } = await setup().grants.issue(request)
  const { grants } = setup()
  assert.throws(() => grants.authorise(call(), [token]), coded('ACCESS_GRANT_UNKNOWN'))
})

test('the parts of one grant that are counted are bounded', async () => {
  const { grants, store } = setup()
  const { token, id } = await grants.issue(request)
  const deps = { signer: alice, network, random }
  for (let i = 0; i < BLOCKS_COUNTED_MAX + 3; i += 1) {
    const part = await attenuateCapability(token, { audience: bob.peer }, deps)
    grants.authorise(call({ peer: bob.peer }), [part])
  }
  assert.equal(store.countedOf(id), BLOCKS_COUNTED_MAX)
  const counted = await attenuateCapability(token, { callsMax: 1, audience: bob.peer }, deps)
  const use = () => grants.authorise(call({ peer: bob.peer }), [counted])
  assert.throws(use, coded('ACCESS_GRANTS_FULL'))
})

test('one good token is enough among bad ones', async () => {
  const { grants } = setup()
  const { token } = await grants.issue(request)
  grants.authorise(call(), ['nonsense', token])
  assert.throws(() => grants.authorise(call(), ['nonsense']), coded('ACCESS_GRANT_INVALID'))
})

test('a held token is shown to its issuer only, for what it is for, while it holds', async () => {
  const { grants } = setup()
  const { token } = await grants.issue({ ...request, tool: 'read' })
  const { held, clock } = setup(alice)
  const { id } = held.accept(` ${token}\n`)
  const target = { peer: host.peer, service: 'files', tool: 'read' }
  assert.deepEqual(held.for(target), [token])
  assert.deepEqual(held.for({ peer: host.peer, service: 'files' }), [token])
  assert.deepEqual(held.for({ ...target, tool: 'write' }), [])
  assert.deepEqual(held.for({ ...target, peer: bob.peer }), [])
  await clock.advance(60_000)
  assert.deepEqual(held.for(target), [])
  assert.equal(held.drop(id), true)
  assert.deepEqual(held.list(), [])
})

test('a token for somebody else is not accepted', async () => {
  const { token } = await setup().grants.issue(request)
  assert.throws(() => setup(bob).held.accept(token), coded('ACCESS_GRANT_AUDIENCE'))
})

test('on behalf of a peer only what came through its hands is shown', async () => {
  const { grants } = setup()
  const own = await grants.issue({ ...request, to: bob.peer })
  const { token } = await grants.issue(request)
  const { held } = setup(bob)
  held.accept(own.token)
  const target = { peer: host.peer, service: 'files', tool: 'read' }
  assert.deepEqual(held.for(target, { peer: alice.peer, tokens: [] }), [])
  const deps = { signer: alice, network, random }
  const lent = await attenuateCapability(token, { audience: bob.peer }, deps)
  assert.deepEqual(held.for(target, { peer: alice.peer, tokens: [lent] }), [lent])
  const asked = { peer: bob.peer, onBehalfOf: [alice.peer] }
  assert.throws(() => grants.authorise(call(asked), [own.token]), coded('ACCESS_GRANT_MISSING'))
  grants.authorise(call(asked), [lent])
})

test('the audit log has the newest first, and keeps no more than it may', async () => {
  const { store, clock } = setup()
  const failures: unknown[] = []
  const audit = new AuditLog({ store, clock, onfailure: (error) => failures.push(error) })
  const entry = { peer: alice.peer, service: 'files', grant: null, chain: [], code: null, ms: 1 }
  for (let i = 0; i < 100; i += 1) audit.note({ ...entry, tool: `t${i}`, outcome: 'ok' })
  assert.deepEqual(
    audit.list(2).map(({ tool }) => tool),
    ['t99', 't98'],
  )
  store.close()
  assert.deepEqual(failures, [])
})

test('the audit log is written within a second, also where nobody calls after it', async () => {
  const { store, clock } = setup()
  const audit = new AuditLog({ store, clock, onfailure: (error) => assert.fail(String(error)) })
  await audit.start()
  const entry = { peer: alice.peer, service: 'files', grant: null, chain: [], code: null, ms: 1 }
  await clock.advance(5_000)
  for (const tool of ['first', 'last']) audit.note({ ...entry, tool, outcome: 'ok' })
  await clock.advance(1_000)
  assert.equal(store.audit(10).length, 2)
  audit.note({ ...entry, tool: 'at the end', outcome: 'ok' })
  await audit.stop()
  assert.equal(store.audit(10).length, 3)
  audit.note({ ...entry, tool: 'late', outcome: 'ok' })
  assert.equal(store.audit(10).length, 4)
})
