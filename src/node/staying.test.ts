import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasLeft } from './staying.ts'

test('hasLeft() is told by an address that others may have seen, and that is gone', () => {
  const gone: readonly [string, boolean][] = [
    ['192.168.1.7', true],
    ['2001:db9::7', true],
    ['fe80::1', false],
    ['169.254.3.4', false],
  ]
  for (const [address, left] of gone) assert.equal(hasLeft({ vanished: [address] }), left, address)
  assert.equal(hasLeft({ vanished: [] }), false)
})
