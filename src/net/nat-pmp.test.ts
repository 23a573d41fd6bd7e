import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { natPmpAnswerTo } from '../../test/support/fake-router.ts'
import { fromHex, toHex } from '../base/index.ts'
import {
  decodeNatPmpAnswer,
  encodeNatPmpAddress,
  encodeNatPmpMap,
  isNatPmpEpochKept,
  type NatPmpMap,
  natPmpReason,
} from './nat-pmp.ts'

const MAP: NatPmpMap = {
  protocol: 'tcp',
  internalPort: 9_000,
  externalPort: 9_003,
  lifetimeSeconds: 3_600,
}

test('requests have the layout of RFC 6886', () => {
  assert.equal(toHex(encodeNatPmpAddress()), '0000')
  assert.equal(toHex(encodeNatPmpMap(MAP)), '000200002328232b00000e10')
  assert.equal(toHex(encodeNatPmpMap({ ...MAP, protocol: 'udp' })).slice(0, 4), '0001')
})

test('decodeNatPmpAnswer() reads what a router answers to any request', () => {
  const port = fc.integer({ min: 0, max: 65_535 })
  const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
  fc.assert(
    fc.property(
      fc.constantFrom('tcp' as const, 'udp' as const),
      fc.tuple(port, port, u32, u32),
      (protocol, [internalPort, externalPort, lifetimeSeconds, epochSeconds]) => {
        const request = encodeNatPmpMap({ ...MAP, protocol, internalPort })
        const says = { externalPort, lifetimeSeconds, epochSeconds }
        const answer = decodeNatPmpAnswer(natPmpAnswerTo(request, says))
        assert.deepEqual(answer, { kind: 'map', protocol, internalPort, result: 0, ...says })
      },
    ),
  )
  const address = decodeNatPmpAnswer(natPmpAnswerTo(encodeNatPmpAddress()))
  const head = { result: 0, epochSeconds: 1_000 }
  assert.deepEqual(address, { kind: 'address', externalHost: '5.9.77.100', ...head })
})

test('decodeNatPmpAnswer() reads a refusal by its first eight bytes', () => {
  const head = { result: 2, epochSeconds: 100 }
  const refusal = decodeNatPmpAnswer(fromHex('0082000200000064'))
  assert.deepEqual(refusal, { kind: 'refused', asked: 'tcp', ...head })
  const whole = decodeNatPmpAnswer(natPmpAnswerTo(encodeNatPmpMap(MAP), head))
  assert.deepEqual(whole, { kind: 'refused', asked: 'tcp', ...head })
})

test('decodeNatPmpAnswer() refuses what is cut, long, a request or another version', () => {
  for (const request of [encodeNatPmpMap(MAP), encodeNatPmpAddress()]) {
    const answer = natPmpAnswerTo(request)
    for (let size = 0; size < answer.length; size += 1) {
      assert.equal(decodeNatPmpAnswer(answer.subarray(0, size)), undefined, `${size} bytes`)
    }
    assert.equal(decodeNatPmpAnswer(Buffer.concat([answer, Buffer.alloc(1)])), undefined)
    assert.equal(decodeNatPmpAnswer(request), undefined)
    assert.equal(
      decodeNatPmpAnswer(Buffer.concat([Buffer.from([2]), answer.subarray(1)])),
      undefined,
    )
  }
})

test('isNatPmpEpochKept() follows RFC 6886 §3.6', () => {
  const before = { routerSeconds: 1_000, ourSeconds: 50 }
  const kept = (routerSeconds: number, ourSeconds: number) =>
    isNatPmpEpochKept(before, { routerSeconds, ourSeconds })
  assert.ok(kept(1_000, 50))
  assert.ok(kept(998, 50), 'two seconds back are allowed')
  assert.ok(!kept(997, 50))
  assert.ok(kept(1_000 + 698, 50 + 800), 'seven eighths as fast')
  assert.ok(!kept(1_000 + 697, 50 + 800))
  assert.ok(kept(9_000, 50), 'faster is no loss')
  assert.ok(!kept(3, 110), 'its clock began again')
})

test('natPmpReason() says something for every result', () => {
  fc.assert(fc.property(fc.nat(65_535), (n) => assert.ok(natPmpReason(n).length > 9)))
})
