import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BOB, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import type { ShownIdentity } from '../../control/index.ts'
import { identity } from './identity.ts'

const said: ShownIdentity['identity'] = {
  publicKey: 'ab'.repeat(32),
  ipv6Endpoints: ['[2001:db8::1]:9000'],
  endpoints: ['/ip6/2001:db8::1/tcp/9000', '/ip4/192.0.2.1/tcp/9000'],
  capabilities: [],
  lastSeenMs: 1_000_000 - 90_000,
}

function answering(over: Partial<ShownIdentity> = {}) {
  const asked: string[] = []
  const node = {
    async identity(peer: string) {
      asked.push(peer)
      return { peer, identity: said, answered: [BOB], failed: [], complete: true, ...over }
    },
  }
  return { asked, node }
}

test('identity prints the whole report for a program', async () => {
  const { asked, node } = answering()
  const { context, printed, seen } = setup({ node, args: [BOB], json: true })
  await identity.run(context)
  assert.deepEqual(asked, [BOB])
  const report = { peer: BOB, identity: said, answered: [BOB], failed: [], complete: true }
  assert.deepEqual(printed(), report)
  assert.equal(seen.closed, 1)
})

test('identity tells a person where the peer is, what it can do and how old that is', async () => {
  const { context, stdout } = setup({ node: answering().node, args: [BOB] })
  await identity.run(context)
  assert.match(stdout.text, new RegExp(`Peer +${BOB}`))
  assert.match(stdout.text, /Last seen +1 min 30 s ago/)
  assert.match(stdout.text, /Endpoints +\/ip6\/2001:db8::1\/tcp\/9000\n +\/ip4\/192\.0\.2\.1/)
  assert.match(stdout.text, /Can do +none/)
})

test('identity tells "nobody has it" from "could not ask everybody"', async () => {
  const failed = [{ peer: BOB, code: 'BASE_DEADLINE' }]
  for (const [over, code] of [
    [{}, 'CLI_RECORD_NOT_FOUND'],
    [{ failed }, 'CLI_RECORD_UNCERTAIN'],
    [{ complete: false }, 'CLI_RECORD_UNCERTAIN'],
  ] as const) {
    const { node } = answering({ identity: null, ...over })
    const { context } = setup({ node, args: [BOB] })
    await assert.rejects(identity.run(context), coded(code))
  }
})

test('identity wants a peer before it connects', async () => {
  const { context, seen } = setup({ args: [] })
  await assert.rejects(identity.run(context), coded('CLI_USAGE'))
  assert.equal(seen.connects, 0)
})
