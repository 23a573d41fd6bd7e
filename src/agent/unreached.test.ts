import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentOf } from '../../test/support/agents.ts'
import type { PeerId } from '../identity/index.ts'
import { itemOf } from './outbox-item.ts'
import { Unreached } from './unreached.ts'

const [bob, eve] = [agentOf(1).node.peer, agentOf(2).node.peer]

function waiting(peer: PeerId | undefined, isUnreached = true) {
  const delivery = { id: '00', to: peer ?? bob, state: 'queued' as const, at: 0 }
  const state = { delivery, expiresAt: 1, tries: 1, dueMs: 0, peer, hashes: [] }
  return { ...itemOf(state), isUnreached }
}

test('a stream to a peer that was not reached is told once, and only of such a peer', () => {
  const unreached = new Unreached()
  unreached.note(waiting(bob))
  unreached.note(waiting(eve, false))
  unreached.note(waiting(undefined))
  assert.deepEqual(
    [bob, bob, eve].map((peer) => unreached.reached(peer)),
    [true, false, false],
  )
})

test('a peer for which nothing waits any more is forgotten, and none is made up', () => {
  const unreached = new Unreached()
  unreached.note(waiting(bob))
  unreached.note(waiting(eve))
  const carol = agentOf(3).node.peer
  unreached.keepFor([waiting(bob), waiting(eve, false), waiting(carol), waiting(undefined)])
  assert.deepEqual(
    [bob, eve, carol].map((peer) => unreached.reached(peer)),
    [true, false, false],
  )
})
