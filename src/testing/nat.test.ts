/** The four filters of RFC 3489 §5, and none. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NatBox, type NatKind } from './nat.ts'

const ASKED = { host: '5.5.5.5', port: 9_000 }
const SAME_HOST = { host: '5.5.5.5', port: 9_001 }
const STRANGER = { host: '8.8.8.8', port: 9_000 }

/** Who gets in at the port by which something left for `ASKED`. */
function entering(kind: NatKind) {
  const box = new NatBox(kind)
  const outside = box.leaves(1_234, ASKED, 0)
  return [ASKED, SAME_HOST, STRANGER].map((from) => box.enters(outside, from, 1_000) === 1_234)
}

test('each kind lets in whom it must and nobody else', () => {
  assert.deepEqual(entering('none'), [true, true, true])
  assert.deepEqual(entering('full-cone'), [true, true, true])
  assert.deepEqual(entering('address-restricted'), [true, true, false])
  assert.deepEqual(entering('port-restricted'), [true, false, false])
  assert.deepEqual(entering('symmetric'), [true, false, false])
})

test('a symmetric box has another port for each destination, the others one for all', () => {
  const ports = (kind: NatKind) => {
    const box = new NatBox(kind)
    return new Set([ASKED, SAME_HOST, STRANGER].map((to) => box.leaves(1_234, to, 0))).size
  }
  assert.equal(ports('symmetric'), 3)
  assert.equal(ports('port-restricted'), 1)
  assert.equal(ports('full-cone'), 1)
})

test('nobody gets in where nothing left, and a mapping ends when it is idle', () => {
  const box = new NatBox('full-cone')
  assert.equal(box.enters(20_000, STRANGER, 0), undefined)
  const outside = box.leaves(1_234, ASKED, 0)
  assert.equal(box.enters(outside, STRANGER, 60_000), 1_234)
  assert.equal(box.enters(outside, STRANGER, 60_001), undefined)
})
