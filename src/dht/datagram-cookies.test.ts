import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { COOKIE_MS_MAX, Cookies, issuedAt } from './datagram-cookies.ts'

const key = new Uint8Array(32).fill(7)
const from = { host: '192.0.2.1', port: 9_000 }
const cookies = new Cookies(new Uint8Array(32).fill(1))
const NOW = 1_800_000_000_000

test('a cookie is good where it was sent, for its sender, for its time', () => {
  const cookie = cookies.make(from, key, NOW)
  assert.equal(cookie.length, 16)
  assert.equal(issuedAt(cookie), NOW)
  assert.equal(cookies.check(cookie, from, key, NOW), NOW)
  assert.equal(cookies.check(cookie, from, key, NOW + COOKIE_MS_MAX), NOW)
})

test('it is good for nobody else, nowhere else, and not for ever', () => {
  const cookie = cookies.make(from, key, NOW)
  const check = (at = from, of = key, nowMs = NOW) => cookies.check(cookie, at, of, nowMs)
  assert.equal(check({ ...from, port: 9_001 }), undefined)
  assert.equal(check({ ...from, host: '192.0.2.10' }), undefined)
  assert.equal(check({ ...from, host: '2001:db8::1' }), undefined)
  assert.equal(check(from, new Uint8Array(32).fill(8)), undefined)
  assert.equal(check(from, key, NOW + COOKIE_MS_MAX + 1), undefined)
  // The clock was set back since.
  assert.equal(check(from, key, NOW - 1), undefined)
  assert.equal(new Cookies(new Uint8Array(32)).check(cookie, from, key, NOW), undefined)
})

test('a cookie with any bit turned is no cookie', () => {
  const cookie = cookies.make(from, key, NOW)
  for (let bit = 0; bit < 128; bit += 1) {
    const bent = Uint8Array.from(cookie)
    bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    assert.equal(cookies.check(bent, from, key, NOW), undefined, `bit ${bit}`)
  }
})

test('nobody guesses one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (guess) => {
      assert.equal(cookies.check(guess, from, key, NOW), undefined)
    }),
  )
})
