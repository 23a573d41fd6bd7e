import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { CodedError, utf8 } from '../base/index.ts'
import { dhtKey } from './key.ts'
import { parseRecordName, parseRecordNameBytes } from './validators.ts'

const { peer } = signerOf(1)

test('each namespace names its publisher', () => {
  const names = ['peer', 'mcp/calc-2', 'word/alice_2'].map((name) => `/${name}/${peer}`)
  for (const text of [...names, `/data/${peer}/notes/2026`]) {
    const name = parseRecordName(text)
    assert.equal(name.publisher, peer)
    assert.deepEqual(name.key, dhtKey(utf8(text)))
    assert.deepEqual(parseRecordNameBytes(utf8(text)), name)
  }
})

test('a namespace that nobody can check is refused, with those there are', () => {
  for (const text of [
    '',
    'peer',
    '/',
    '/ipns/x',
    `/PEER/${peer}`,
    `peer/${peer}`,
    `//peer/${peer}`,
  ]) {
    assert.throws(() => parseRecordName(text), coded('DHT_NAMESPACE_UNKNOWN'))
  }
  assert.throws(() => parseRecordName('/ipns/x'), /\/peer, \/mcp, \/word, \/data/)
})

test('names of the wrong form are refused', () => {
  const wrong = [
    '/peer/',
    '/peer/nobody',
    `/peer/${peer}/more`,
    `/mcp/${peer}`,
    `/mcp/Calc/${peer}`,
    `/mcp/calc/${peer}/more`,
    `/word/alice`,
    `/word/${peer}`,
    `/word/Alice/${peer}`,
    `/word/al-ice/${peer}`,
    `/word/alice/nobody`,
    `/word/alice/${peer}/more`,
    `/data/${peer}`,
    `/data/${peer}/`,
    `/data/${peer}/${'x'.repeat(129)}`,
    `/data/${peer}/a\u0000b`,
    `/data/${peer}/\ud800`,
    `/data/${peer}/${'ö'.repeat(128)}`,
  ]
  for (const text of wrong) assert.throws(() => parseRecordName(text), coded('DHT_KEY_INVALID'))
  assert.throws(() => parseRecordNameBytes(Uint8Array.of(0xff)), coded('DHT_KEY_INVALID'))
  assert.throws(() => parseRecordNameBytes(new Uint8Array(257)), coded('DHT_KEY_INVALID'))
})

test('any text is a name or a coded error', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
      try {
        assert.equal(parseRecordName(`/data/${peer}/${text}`).publisher, peer)
      } catch (error) {
        assert.ok(error instanceof CodedError)
      }
    }),
  )
})
