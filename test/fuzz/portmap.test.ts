/**
 * What a router may say, noise and bent truth alike: a decoder returns a value or nothing, soon, and
 * throws nothing but a coded error; and what it returns can be used without another check.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CodedError, utf8 } from '../../src/base/index.ts'
import { scopeOf } from '../../src/ip/index.ts'
import { decodeNatPmpAnswer, encodeNatPmpAddress, encodeNatPmpMap } from '../../src/net/nat-pmp.ts'
import { decodePcpAnswer, encodePcpAnnounce, encodePcpMap } from '../../src/net/pcp.ts'
import { readControls, readSoapAnswer } from '../../src/net/upnp-soap.ts'
import { GATEWAY_TYPES, readSearchAnswer } from '../../src/net/upnp-ssdp.ts'
import { natPmpAnswerTo, pcpAnswerTo } from '../support/fake-router.ts'
import { CASES, SEED } from '../support/fuzz.ts'

/** Far above what one case takes; a decoder that needs longer has found a bomb. */
const CASE_MS_MAX = 500
const ROUTER = '192.168.1.1'
const MAP = { protocol: 'udp', internalPort: 9_001, externalPort: 1, lifetimeSeconds: 60 } as const
const PCP_MAP = { ...MAP, clientHost: '10.0.0.2', nonce: new Uint8Array(12), externalHost: '::1' }

const DATAGRAMS: readonly Uint8Array[] = [
  pcpAnswerTo(encodePcpMap(PCP_MAP)),
  pcpAnswerTo(encodePcpAnnounce('10.0.0.2')),
  natPmpAnswerTo(encodeNatPmpAddress()),
  natPmpAnswerTo(encodeNatPmpMap(MAP)),
  natPmpAnswerTo(encodeNatPmpMap(MAP), { result: 2 }).subarray(0, 8),
]
const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1'
const TEXTS: readonly Uint8Array[] = [
  `HTTP/1.1 200 OK\r\nST: ${GATEWAY_TYPES[1]}\r\nLOCATION: http://${ROUTER}:5000/d.xml\r\n\r\n`,
  `<?xml version="1.0"?><root><URLBase>http://${ROUTER}/</URLBase><device><serviceList><service>
   <serviceType>${SERVICE}</serviceType><controlURL>/c</controlURL></service></serviceList></device></root>`,
  `<!DOCTYPE a [<!ENTITY b "&b;">]><s:Envelope><s:Body><u:GetExternalIPAddressResponse>
   <NewExternalIPAddress>1.2.3.4&#x41;&b;</NewExternalIPAddress></u:GetExternalIPAddressResponse></s:Body>`,
  `<s:Fault><detail><errorCode>718</errorCode><![CDATA[x]]><!-- y --></detail></s:Fault>`,
].map(utf8)

/** A truth that is cut and goes on as another, with some bytes between and one bit turned. */
const bentOf = (corpus: readonly Uint8Array[]) =>
  fc
    .record({
      from: fc.constantFrom(...corpus),
      into: fc.constantFrom(...corpus),
      at: fc.nat(400),
      cut: fc.nat(400),
      put: fc.uint8Array({ maxLength: 6 }),
      bit: fc.nat(3_000),
    })
    .map(({ from, into, at, cut, put, bit }) => {
      const bytes = [...from.subarray(0, at), ...put, ...into.subarray(cut)]
      return Uint8Array.from(bytes, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
    })
const inputs = (corpus: readonly Uint8Array[]) =>
  fc.oneof(fc.uint8Array({ maxLength: 1_200 }), bentOf(corpus), fc.constantFrom(...corpus))
const options = { numRuns: CASES, seed: SEED }

/** Nothing but a value or a coded error, and that soon. */
function survives<T>(read: () => T): T | undefined {
  const began = performance.now()
  try {
    return read()
  } catch (error) {
    assert.ok(error instanceof CodedError, String(error))
    return undefined
  } finally {
    assert.ok(performance.now() - began < CASE_MS_MAX)
  }
}

test(`datagrams of a router: seed ${SEED}`, () => {
  fc.assert(
    fc.property(inputs(DATAGRAMS), (bytes) => {
      const pcp = decodePcpAnswer(bytes)
      if (pcp?.kind === 'map') scopeOf(pcp.externalHost)
      const natPmp = decodeNatPmpAnswer(bytes)
      if (natPmp?.kind === 'address') scopeOf(natPmp.externalHost)
    }),
    options,
  )
})

test(`SSDP, descriptions and SOAP of a router: seed ${SEED}`, () => {
  const description = new URL(`http://${ROUTER}:5000/d.xml`)
  fc.assert(
    fc.property(inputs(TEXTS), (bytes) => {
      const url = readSearchAnswer(bytes, ROUTER)
      assert.ok(url === undefined || url.hostname === ROUTER)
      const xml = Buffer.from(bytes).toString('utf8')
      for (const control of survives(() => readControls(xml, description)) ?? []) {
        assert.equal(control.url.hostname, ROUTER)
      }
      survives(() => readSoapAnswer(xml, ROUTER))
    }),
    options,
  )
})
