import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  advanced,
  DELIVERY_STATES,
  type Delivery,
  type DeliveryState,
  isOpen,
  mayFollow,
} from './delivery.ts'

const queued: Delivery = { id: '00', to: '*', state: 'queued', at: 0 }
const anyState = fc.constantFrom(...DELIVERY_STATES)

test('which state may follow which', () => {
  const followers = Object.fromEntries(
    DELIVERY_STATES.map((from) => [from, DELIVERY_STATES.filter((to) => mayFollow(from, to))]),
  )
  assert.deepEqual(followers, {
    queued: ['sent', 'stored', 'delivered', 'read', 'expired', 'failed'],
    sent: ['stored', 'delivered', 'read', 'expired', 'failed'],
    stored: ['delivered', 'read', 'expired', 'failed'],
    delivered: ['read'],
    read: [],
    expired: [],
    failed: [],
  })
})

test('a message passes through no state twice, whatever happens in whatever order', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyState, fc.nat(1_000))), (happened) => {
      let delivery = queued
      const passed: DeliveryState[] = [delivery.state]
      for (const [state, at] of happened) {
        const next = advanced(delivery, { state, at })
        assert.equal(next === delivery, !mayFollow(delivery.state, state))
        assert.ok(next.at >= delivery.at)
        if (next !== delivery) passed.push(next.state)
        delivery = next
      }
      assert.equal(new Set(passed).size, passed.length)
    }),
  )
})

test('what is over stays over, but for delivered, which may yet be read', () => {
  fc.assert(
    fc.property(anyState, anyState, (from, to) => {
      if (isOpen(from) || from === 'delivered') return
      assert.equal(mayFollow(from, to), false)
    }),
  )
})

test('the reason belongs to its state', () => {
  const failed = advanced(queued, { state: 'failed', reason: 'it is blocked', at: 5 })
  assert.deepEqual(failed, { id: '00', to: '*', state: 'failed', reason: 'it is blocked', at: 5 })
  const sent = advanced({ ...queued, reason: 'not found' }, { state: 'sent', at: 6 })
  assert.equal('reason' in sent, false)
})
