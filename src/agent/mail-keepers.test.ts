import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { nodeOf } from '../../test/support/mail.ts'
import type { PeerId } from '../identity/index.ts'
import { MailKeepers } from './mail-keepers.ts'
import { mailboxKey } from './mailbox-protocol.ts'

const SELF = nodeOf(0).peer
const BOB = nodeOf(1).peer
const KEEPER = nodeOf(2).peer

function setup(closest: readonly PeerId[]) {
  const clock = new FakeClock()
  const keys: Uint8Array[] = []
  const calls: string[] = []
  const keepers = new MailKeepers({
    self: SELF,
    dht: {
      async closest(key) {
        keys.push(key)
        const none = { answered: [], failed: [], complete: true, hops: 0, questions: 0 }
        return { closest, ...none }
      },
    },
    rpc: {
      call: async (peer, method) => {
        calls.push(`${method} ${peer}`)
        return 'done'
      },
    },
    connect: async (peer, { signal }) => {
      if (peer !== KEEPER) {
        await clock.sleep(1e9, signal)
      }
    },
    clock,
  })
  return { clock, keepers, keys, calls }
}

test('the keepers of a mailbox are those closest to it, without us and whose it is', async () => {
  const { keepers, keys, clock } = setup([BOB, SELF, KEEPER])
  assert.deepEqual(await keepers.of(BOB, {}), [KEEPER])
  assert.deepEqual(await keepers.of(BOB, {}), [KEEPER])
  assert.deepEqual(keys, [mailboxKey(BOB)])
  await keepers.find(BOB, {})
  assert.equal(keys.length, 2)
  await clock.advance(60_001)
  await keepers.of(BOB, {})
  assert.equal(keys.length, 3)
})

test('that nobody was found is not remembered', async () => {
  const { keepers, keys } = setup([SELF])
  assert.deepEqual(await keepers.of(BOB, {}), [])
  assert.deepEqual(await keepers.of(BOB, {}), [])
  assert.equal(keys.length, 2)
})

test('ask() connects first, and gives up on who does not answer', async () => {
  const { keepers, calls, clock } = setup([])
  assert.equal(await keepers.ask(KEEPER, 'mailbox.take', null, {}), 'done')
  assert.deepEqual(calls, [`mailbox.take ${KEEPER}`])
  const silent = assert.rejects(keepers.ask(BOB, 'mailbox.take', null, {}), coded('BASE_DEADLINE'))
  await clock.advance(8_000)
  await silent
  assert.equal(clock.waiting, 0)
})
