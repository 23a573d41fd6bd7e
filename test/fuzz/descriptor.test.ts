/**
 * The decoders of what peers publish about their services, against noise and against bent truth:
 * each returns a value or throws `MCP_DESCRIPTOR_INVALID`, and nothing else. What a decoder
 * accepts is within the limits, and its encoder gives back the same bytes.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromUtf8, hasCode, seededRandom, utf8 } from '../../src/base/index.ts'
import { blindedName, openDescriptor, sealDescriptor } from '../../src/mcp/blinded.ts'
import {
  DESCRIPTOR_BYTES_MAX,
  DESCRIPTOR_TOOLS_MAX,
  decodeDescriptor,
  describe,
  encodeDescriptor,
} from '../../src/mcp/descriptor.ts'
import { decodeInvitation, encodeInvitation } from '../../src/mcp/invitation.ts'
import { decodeIndex, encodeIndex, SERVICES_MAX } from '../../src/mcp/service-index.ts'
import { CASES, SEED } from '../support/fuzz.ts'
import { testPeer, testTool } from '../support/mcp-directory.ts'

const peer = testPeer(1)
const head = { service: 'calc', peer, version: '0.1.0', endpoints: ['/ip4/127.0.0.1/tcp/9000'] }
const many = Array.from({ length: 300 }, (_, i) => testTool(`tool-with-a-long-name-${i}`))
const tools = [{ name: 'add', description: 'adds', idempotent: true, readOnly: false }]
const first = { v: 1, service: 'calc', peer, version: '0.1.0', tools, toolCount: 1 }
const full = {
  ...head,
  tools: [testTool('add', { inputSchema: { properties: { a: { type: 'number' } } } })],
  tags: ['calc', 'math'],
  price: 5,
  load: 40,
  expires: 1_800_000_000,
  resources: { count: 2, names: ['a', 'b'] },
}
const CORPUS: readonly Uint8Array[] = [
  encodeDescriptor(describe(full)),
  utf8(JSON.stringify({ ...first, schemaHash: 'a'.repeat(64), endpoints: [] })),
  encodeDescriptor(describe({ ...head, tools: [] })),
  encodeDescriptor(describe({ ...head, tools: [testTool('add'), testTool('sub')] })),
  encodeDescriptor(describe({ ...head, tools: many })),
  utf8(JSON.stringify({ v: 1, peer, services: ['calc', 'echo'] })),
  encodeIndex(peer, [describe(full), describe({ ...head, service: 'big', tools: many })]),
  encodeIndex(peer, []),
]

/** A truth with some bytes replaced, cut out or doubled; sometimes one field for another value. */
const bent = fc
  .record({
    truth: fc.constantFrom(...CORPUS),
    at: fc.nat(),
    cut: fc.nat(8),
    put: fc.oneof(
      fc.uint8Array({ maxLength: 8 }),
      fc.constantFrom(...['"', '[', '{', '\\', '-1', '1e999', 'null', ',', '\u202e'].map(utf8)),
    ),
  })
  .map(({ truth, at, cut, put }) => {
    const start = at % (truth.length + 1)
    return Buffer.concat([truth.subarray(0, start), put, truth.subarray(start + cut)])
  })

const field = fc
  .record({
    truth: fc.constantFrom(...CORPUS),
    key: fc.nat(),
    value: fc.jsonValue({ maxDepth: 3 }),
  })
  .map(({ truth, key, value }) => {
    const fields = JSON.parse(fromUtf8(truth)) as Record<string, unknown>
    const keys = Object.keys(fields)
    return utf8(JSON.stringify({ ...fields, [keys[key % keys.length] ?? '']: value }))
  })

const input = fc.oneof(fc.uint8Array({ maxLength: 200 }), bent, field)

/** Runs one decoder on one input; `undefined` when it was refused as it should. */
function decoded<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    assert.ok(hasCode(error, 'MCP_DESCRIPTOR_INVALID'), String(error))
    return undefined
  }
}

test(`decodeDescriptor() survives whatever it is given (seed ${SEED})`, () => {
  fc.assert(
    fc.property(input, (bytes) => {
      const descriptor = decoded(() => decodeDescriptor(bytes))
      if (descriptor === undefined) return
      assert.ok(bytes.length <= DESCRIPTOR_BYTES_MAX)
      assert.ok(descriptor.toolCount <= DESCRIPTOR_TOOLS_MAX)
      assert.deepEqual(decodeDescriptor(encodeDescriptor(descriptor)), descriptor)
    }),
    { numRuns: CASES, seed: SEED },
  )
})

test(`decodeIndex() survives whatever it is given (seed ${SEED})`, () => {
  fc.assert(
    fc.property(input, (bytes) => {
      const services = decoded(() => decodeIndex(bytes, peer))
      if (services === undefined) return
      assert.ok(services.length <= SERVICES_MAX)
      assert.ok(services.every(({ whole }) => whole === null || whole.peer === peer))
      const text = JSON.stringify(JSON.parse(fromUtf8(bytes)))
      assert.deepEqual(utf8(text), Uint8Array.from(bytes))
    }),
    { numRuns: CASES, seed: SEED },
  )
})

const random = seededRandom('blinded')
const secret = random.bytes(32)
const key = `/mcp/${blindedName(secret, 'calc')}/${peer}`
const sealed = sealDescriptor(utf8('a descriptor'), { secret, key, random })

test(`openDescriptor() opens what was sealed and nothing else (seed ${SEED})`, () => {
  const bentSeal = fc
    .record({ at: fc.nat(sealed.length), cut: fc.nat(8), put: fc.uint8Array({ maxLength: 8 }) })
    .map(({ at, cut, put }) => {
      return Buffer.concat([sealed.subarray(0, at), put, sealed.subarray(at + cut)])
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 1_200 }), bentSeal), (bytes) => {
      const opened = decoded(() => openDescriptor(bytes, { secret, key }))
      if (opened !== undefined) assert.deepEqual(Uint8Array.from(bytes), Uint8Array.from(sealed))
    }),
    { numRuns: CASES, seed: SEED },
  )
})

test(`decodeInvitation() reads invitations and refuses the rest (seed ${SEED})`, () => {
  const text = encodeInvitation({ service: 'calc', secret, peers: [peer] })
  const bentText = fc
    .record({ at: fc.nat(text.length), cut: fc.nat(8), put: fc.string({ maxLength: 8 }) })
    .map(({ at, cut, put }) => text.slice(0, at) + put + text.slice(at + cut))
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 300 }), bentText), (each) => {
      try {
        assert.equal(encodeInvitation(decodeInvitation(each)), each.trim())
      } catch (error) {
        assert.ok(hasCode(error, 'MCP_INVITATION_INVALID'), String(error))
      }
    }),
    { numRuns: CASES, seed: SEED },
  )
})
