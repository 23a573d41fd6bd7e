import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BOB, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import type { NodeClient } from '../rooms.ts'
import { grantAccept, grantDelegate, grantGive } from './grant.ts'
import { audit, grants, revoke } from './grants.ts'

type Issued = Awaited<ReturnType<NodeClient['grant']>>

const RIGHTS = {
  service: 'files',
  tool: 'read',
  args: { path: { kind: 'prefix', path: '/x' } },
  notBefore: 0,
  expires: 3_600,
  callsMax: 2,
} as const
const ID = '0123456789abcdef0123456789abcdef'
const GRANT: Issued = {
  id: ID,
  to: BOB,
  rights: RIGHTS,
  issuedMs: 0,
  state: 'active',
  calls: 1,
  token: 'tok',
}

test('grant prints the token alone, and the rest beside it', async () => {
  let asked: unknown
  const grant: NodeClient['grant'] = async (options) => {
    asked = options
    return GRANT
  }
  const options = {
    to: BOB,
    tool: 'read',
    arg: ['path=prefix:/x', 'n=max:10', 'mode=oneof:a,2,true', 'flag=equals:false'],
    expires: '2h',
    calls: '2',
  }
  const { context, stdout, stderr } = setup({ args: ['files'], options, node: { grant } })
  await grantGive.run(context)
  assert.equal(stdout.text, 'tok\n')
  assert.match(stderr.text, /may call "read" of "files"/)
  assert.deepEqual(asked, {
    service: 'files',
    to: BOB,
    tool: 'read',
    args: {
      path: { kind: 'prefix', path: '/x' },
      n: { kind: 'max', limit: 10 },
      mode: { kind: 'oneof', values: ['a', 2, true] },
      flag: { kind: 'equals', value: false },
    },
    expiresInSeconds: 7_200,
    callsMax: 2,
  })
})

const BAD = [
  {},
  { to: 'nobody' },
  { to: BOB, arg: ['path=/x'] },
  { to: BOB, arg: ['path=prefix:'] },
  { to: BOB, arg: ['n=max:many'] },
  { to: BOB, expires: '1y' },
  { to: BOB, expires: '0s' },
  { to: BOB, calls: '0' },
]

for (const options of BAD) {
  test(`grant refuses ${JSON.stringify(options)} before it asks the node`, async () => {
    const { context, seen } = setup({ args: ['files'], options, node: {} })
    await assert.rejects(grantGive.run(context), coded('CLI_USAGE'))
    assert.equal(seen.connects, 0)
  })
}

test('accept and delegate hand the token on', async () => {
  const held = { id: ID, grant: ID, issuer: BOB, chain: [BOB], rights: RIGHTS } as const
  const grantAccepting = async () => ({ ...held, state: 'active' as const })
  const one = setup({ args: ['tok'], node: { grantAccept: grantAccepting } })
  await grantAccept.run(one.context)
  assert.match(one.stdout.text, /may call "read" of "files" of 12D3/)
  const two = setup({
    args: [ID],
    options: { to: BOB },
    node: { grantDelegate: async () => 'next' },
  })
  await grantDelegate.run(two.context)
  assert.equal(two.stdout.text, 'next\n')
})

test('grants lists what was given and what is held', async () => {
  const node = { grants: async () => ({ issued: [GRANT], held: [] }) }
  const { context, stdout } = setup({ node })
  await grants.run(context)
  assert.match(stdout.text, /path inside \/x\s+1970-01-01T01:00\s+1 of 2/)
  const none = setup({ node: { grants: async () => ({ issued: [], held: [] }) } })
  await grants.run(none.context)
  assert.match(none.stdout.text, /p2p grant <service> --to/)
})

test('revoke wants an id as it is shown', async () => {
  const { context } = setup({ args: ['x'], node: {} })
  await assert.rejects(revoke.run(context), coded('CLI_USAGE'))
  const done = setup({ args: [ID], node: { grantRevoke: async () => {} } })
  await revoke.run(done.context)
  assert.match(done.stdout.text, /no use any more/)
})

test('audit says who called what, and why it was refused', async () => {
  const entry = { atMs: 0, peer: BOB, service: 'files', tool: 'read', chain: [], ms: 1.4 }
  const refused = { ...entry, grant: null, outcome: 'refused', code: 'ACCESS_GRANT_MISSING' }
  const { context, stdout } = setup({ node: { audit: async () => [refused] } })
  await audit.run(context)
  assert.match(stdout.text, /1970-01-01T00:00:00\.000Z\s+12D3\S+\s+files\s+read\s+ACCESS_GRANT/)
  const bad = setup({ options: { limit: '0' }, node: {} })
  await assert.rejects(audit.run(bad.context), coded('CLI_USAGE'))
})
