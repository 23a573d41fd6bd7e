/**
 * A self-signed certificate made on the spot (RFC 5280 §4.1), for Node can read but not write them.
 *
 *   Certificate ::= SEQUENCE { tbs, algorithm, signature BIT STRING }
 *   tbs         ::= SEQUENCE { serial, algorithm, issuer, validity, subject, public key }
 */

import { generateKeyPairSync, sign } from 'node:crypto'

const SEQUENCE = 0x30
const SET = 0x31
const INTEGER = 0x02
const BIT_STRING = 0x03
const OID = 0x06
const UTF8 = 0x0c
const TIME = 0x18
/** ecdsa-with-SHA256, RFC 5758 §3.2. */
const ECDSA_SHA256 = Buffer.from('2a8648ce3d040302', 'hex')
/** commonName, X.520. */
const COMMON_NAME = Buffer.from('550403', 'hex')

/** A key on P-256 and a certificate for it, as PEM. */
export function selfSigned(): { readonly key: string; readonly cert: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = der(SEQUENCE, der(OID, ECDSA_SHA256))
  const attribute = der(SEQUENCE, der(OID, COMMON_NAME), der(UTF8, Buffer.from('bench')))
  const name = der(SEQUENCE, der(SET, attribute))
  const tbs = der(
    SEQUENCE,
    der(INTEGER, Buffer.of(1)),
    algorithm,
    name,
    der(SEQUENCE, time('20200101000000Z'), time('21200101000000Z')),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const signature = der(BIT_STRING, Buffer.of(0), sign('sha256', tbs, privateKey))
  const body = der(SEQUENCE, tbs, algorithm, signature).toString('base64')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    cert: `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`,
  }
}

function time(text: string): Buffer {
  return der(TIME, Buffer.from(text))
}

/** Tag, length (X.690 §8.1.3), content. */
function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content)
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body])
  const length = Buffer.alloc(2)
  length.writeUInt16BE(body.length)
  return Buffer.concat([Buffer.of(tag, 0x82), length, body])
}
