/** What many peers say at once costs little. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { silentLog } from '../base/index.ts'
import { Reachability } from './reachability.ts'

const OURS = '/ip4/9.9.9.9/tcp/9000'

function setup() {
  const clock = new FakeClock(1_000_000)
  let looks = 0
  const connection = {
    get status() {
      looks += 1
      return 'open'
    },
    direction: 'outbound',
    remotePeer: peerIdFromString(signerOf(2).peer),
    remoteAddr: multiaddr('/ip4/5.9.77.100/tcp/9000'),
  } as unknown as Connection
  const reachability = new Reachability(
    {
      clock,
      log: silentLog,
      autonat: { ask: async () => undefined },
      scope: 'global',
      listening: () => ['/ip4/192.168.1.7/tcp/9000'],
      connections: () => [connection],
      protocolsOf: async () => [],
      isFromListenPort: () => true,
      changed: () => undefined,
    },
    { autonat: true, negotiationTimeoutMs: 1_000, addressTimeoutMs: 1_000 },
  )
  const say = (observed = OURS) => {
    reachability.identified({ connection, observedAddr: multiaddr(observed) })
  }
  return { clock, reachability, say, looks: () => looks }
}

test('a peer that says again and again how it sees us has us judge four times a second', async () => {
  const { clock, reachability, say, looks } = setup()
  const before = looks()
  for (let times = 0; times < 1_000; times += 1) say()
  await clock.advance(1_000)
  assert.ok(looks() - before < 20, `${looks() - before} looks`)
  await reachability.stop()
})

test('what was said in between is judged soon', async () => {
  const { clock, reachability, say } = setup()
  say()
  assert.equal(reachability.report().nat.ip, '9.9.9.9')
  say('/ip4/9.9.9.10/tcp/9000')
  assert.equal(reachability.report().nat.ip, '9.9.9.9')
  await clock.advance(250)
  assert.equal(reachability.report().nat.ip, '9.9.9.10')
  reachability.forget()
  assert.equal(reachability.report().nat.ip, undefined)
  await reachability.stop()
  assert.equal(clock.waiting, 0)
})
