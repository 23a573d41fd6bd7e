import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LastingAccount } from './lasting-account.ts'
import { PAYLOAD_BYTES_MAX } from './lasting-codec.ts'
import { LastingSession } from './lasting-session.ts'

const WINDOW = { frames: 8, bytes: 4 * PAYLOAD_BYTES_MAX }

test('whatever is written and read, what is counted is what is kept, and nothing in the end', () => {
  const step = fc.constantFrom('write', 'receive', 'take', 'confirm')
  const steps = fc.array(fc.tuple(step, fc.nat(PAYLOAD_BYTES_MAX)), { maxLength: 64 })
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 6 * PAYLOAD_BYTES_MAX }), (all, limit) => {
      let counted = 0
      const session = new LastingSession(WINDOW)
      session.attach({ received: 0, taken: 0 }, WINDOW)
      const account = new LastingAccount(session, (bytes) => {
        if (bytes > 0 && counted + bytes > limit) return false
        counted += bytes
        return true
      })
      let number = 0
      for (const [what, size] of all) {
        if (what === 'write' && account.mayWrite(size)) session.write(new Uint8Array(size))
        if (
          what === 'receive' &&
          session.unreadBytes + size <= WINDOW.bytes &&
          session.unread < 8
        ) {
          number += 1
          session.receive({ kind: 'data', number, payload: new Uint8Array(size) })
        }
        if (what === 'take') session.take()
        if (what === 'confirm') {
          while (session.next(false) !== undefined);
          session.receive({ kind: 'receipt', taken: session.confirmed + session.unconfirmed })
        }
        if (!account.settle()) break
        assert.equal(counted, session.unconfirmedBytes + session.unreadBytes)
      }
      account.close()
      assert.equal(counted, 0)
      assert.ok(account.settle())
      assert.equal(counted, 0)
    }),
  )
})
