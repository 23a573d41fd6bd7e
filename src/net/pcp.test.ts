import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pcpAnswerTo } from '../../test/support/fake-router.ts'
import { fromHex, toHex } from '../base/index.ts'
import {
  decodePcpAnswer,
  encodePcpAnnounce,
  encodePcpMap,
  isPcpEpochKept,
  type PcpMap,
  pcpReason,
} from './pcp.ts'

const NONCE = fromHex('000102030405060708090a0b')
const MAP: PcpMap = {
  clientHost: '10.1.0.2',
  nonce: NONCE,
  protocol: 'udp',
  internalPort: 9_001,
  externalPort: 9_002,
  externalHost: undefined,
  lifetimeSeconds: 3_600,
}

test('encodePcpMap() writes the layout of RFC 6887, IPv4 as mapped addresses', () => {
  const head = '02010000' + '00000e10' + '00000000000000000000ffff0a010002'
  const map = '000102030405060708090a0b' + '11000000' + '2329' + '232a'
  assert.equal(toHex(encodePcpMap(MAP)), `${head}${map}00000000000000000000ffff00000000`)
  const announce = '02000000' + '00000000' + '20010db8000000000000000000000007'
  assert.equal(toHex(encodePcpAnnounce('2001:db8::7')), announce)
})

test('decodePcpAnswer() reads what a router answers to any request', () => {
  const port = fc.integer({ min: 0, max: 65_535 })
  const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
  const host = fc.constantFrom('5.9.77.100', '192.168.1.1', '2a01:4f8::1', '::ffff:0:1:2', '::')
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      fc.constantFrom('tcp' as const, 'udp' as const),
      fc.tuple(port, port, u32, u32, fc.integer({ min: 0, max: 255 })),
      host,
      (nonce, protocol, [internalPort, externalPort, life, epoch, result], externalHost) => {
        const request = encodePcpMap({ ...MAP, nonce, protocol, internalPort })
        const says = { externalPort, externalHost, result }
        const times = { lifetimeSeconds: life, epochSeconds: epoch }
        const answer = decodePcpAnswer(pcpAnswerTo(request, { ...says, ...times }))
        const asked = { nonce, protocol, internalPort }
        assert.deepEqual(answer, { kind: 'map', ...times, ...says, ...asked })
      },
    ),
  )
})

test('decodePcpAnswer() passes over options, and refuses what is cut, long or a request', () => {
  const answer = pcpAnswerTo(encodePcpMap(MAP))
  assert.equal(decodePcpAnswer(Buffer.concat([answer, Buffer.alloc(8)]))?.kind, 'map')
  for (let size = 0; size < answer.length; size += 1) {
    assert.equal(decodePcpAnswer(answer.subarray(0, size)), undefined, `${size} bytes`)
  }
  assert.equal(decodePcpAnswer(Buffer.concat([answer, Buffer.alloc(1)])), undefined)
  assert.equal(decodePcpAnswer(Buffer.concat([answer, Buffer.alloc(1_044)])), undefined)
  assert.equal(decodePcpAnswer(encodePcpMap(MAP)), undefined)
})

test('decodePcpAnswer() tells a router that speaks NAT-PMP alone', () => {
  const answer = decodePcpAnswer(fromHex('0080000100000064'))
  assert.deepEqual(answer, { kind: 'other-version', version: 0 })
})

test('isPcpEpochKept() follows RFC 6887 §8.5', () => {
  const before = { routerSeconds: 1_000, ourSeconds: 50 }
  const kept = (routerSeconds: number, ourSeconds: number) =>
    isPcpEpochKept(before, { routerSeconds, ourSeconds })
  assert.ok(kept(1_000, 50))
  assert.ok(kept(1_060, 110))
  assert.ok(kept(999, 50), 'one second back is allowed')
  assert.ok(!kept(998, 50))
  assert.ok(!kept(3, 110), 'its clock began again')
  assert.ok(kept(1_000 + 1_600, 50 + 1_500), 'a sixteenth faster')
  assert.ok(!kept(1_000 + 1_700, 50 + 1_500))
  assert.ok(!kept(1_000 + 1_400, 50 + 1_600), 'it stood still for a while')
})

test('pcpReason() says something for every result', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 255 }), (n) => assert.ok(pcpReason(n).length > 9)),
  )
})
