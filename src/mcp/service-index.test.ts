import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { testPeer, testTool } from '../../test/support/mcp-directory.ts'
import { utf8 } from '../base/index.ts'
import { type Descriptor, describe } from './descriptor.ts'
import {
  contentHash,
  decodeIndex,
  encodeIndex,
  type IndexEntry,
  mayHave,
  SERVICES_MAX,
} from './service-index.ts'

const peer = testPeer(1)
const expires = 1_800_000_000
const head = { peer, version: '1', expires }
const described = (service: string, tools = 1, tags: readonly string[] = []): Descriptor => {
  const list = Array.from({ length: tools }, (_, i) => testTool(`${service}-tool-${i}`))
  const endpoints = ['/ip4/198.41.0.4/tcp/9000', '/ip4/198.41.0.4/udp/9001/quic-v1']
  return describe({ ...head, endpoints, service, tags, tools: list })
}
const read = (...descriptors: readonly Descriptor[]) => {
  const bytes = encodeIndex(peer, descriptors)
  assert.ok(bytes.length <= 8_192)
  return decodeIndex(bytes, peer)
}
const numbered = (count: number, tools: number, tags: readonly string[] = []) => {
  return Array.from({ length: count }, (_, i) => {
    return described(`service-${String(i).padStart(2, '0')}`, tools, tags)
  })
}
const names = fc.uniqueArray(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/), { maxLength: 40 })
const sizes = fc.record({ names, tools: fc.nat(60), tags: fc.nat(16) })

test('an index is read as it was written, sorted and bounded, however much its services have', () => {
  fc.assert(
    fc.property(sizes, ({ names: services, tools, tags }) => {
      const said = Array.from({ length: tags }, (_, i) => `tag-${i}-${'x'.repeat(20)}`)
      const all = services.map((service, i) => described(service, (tools * i) % 61, said))
      const entries = read(...all)
      const sorted = [...services].sort().slice(0, SERVICES_MAX)
      assert.deepEqual(
        entries.map(({ service }) => service),
        sorted,
      )
      for (const { service, whole, hash } of entries) {
        const own = all.find((one) => one.service === service)
        assert.ok(own)
        if (whole === null) assert.equal(hash, contentHash(own))
        else assert.deepEqual(whole, own)
      }
    }),
    { numRuns: 50 },
  )
})

test('an index stays within a packet, or is filled with the smallest of its services', () => {
  const sizeOf = (...all: readonly Descriptor[]) => encodeIndex(peer, all).length
  assert.ok(sizeOf(...numbered(10, 1, ['math'])) <= 800)
  assert.ok(sizeOf(described('calc'), described('echo', 40)) <= 800)
  assert.ok(sizeOf(...numbered(20, 1)) > 7_000)
  const isWhole = ({ whole }: IndexEntry) => whole !== null
  assert.equal(read(...numbered(16, 1)).filter(isWhole).length, 16)
  assert.equal(read(described('calc')).filter(isWhole).length, 1)
  const mixed = read(described('aa', 85), described('bb', 1), described('cc', 85))
  assert.deepEqual(
    mixed.filter(isWhole).map(({ service }) => service),
    ['bb'],
  )
})

test('an index says what is in a descriptor for which it has no room', () => {
  const entries = read(...numbered(4, 40, ['math']), described('other', 40, ['physics']))
  const having = (query: { tag?: string; tool?: string }) => {
    return entries.filter((one) => one.whole === null && mayHave(one, query)).length
  }
  assert.ok(entries.some(({ whole }) => whole === null))
  const [first] = entries.filter(({ whole }) => whole === null)
  assert.ok(first)
  assert.equal(mayHave(first, { tool: `${first.service}-tool-7` }), true)
  assert.equal(mayHave(first, { tool: 'nobody-has-this' }), false)
  assert.deepEqual(
    [having({ tag: 'chess' }), having({})],
    [0, entries.filter(({ whole }) => !whole).length],
  )
  assert.equal(mayHave({ tags: null, marks: null }, { tag: 'a', tool: 'b' }), true)
})

test('contentHash() stays when time goes on, and changes with what is said', () => {
  const calc = described('calc')
  assert.equal(contentHash({ ...calc, expires: expires + 60, load: 7 }), contentHash(calc))
  assert.notEqual(contentHash({ ...calc, price: 1 }), contentHash(calc))
})

const inForm = (v: number) => (services: unknown) => utf8(JSON.stringify({ v, peer, services }))
const [first, listed] = [inForm(1), inForm(2)]
const entry = (name: string, ...rest: unknown[]) => [name, 'a'.repeat(22), ...rest]

test('an index of version 1 is still read: names alone', () => {
  const [a, b] = decodeIndex(first(['a', 'b']), peer)
  assert.deepEqual(a, { service: 'a', hash: null, tags: null, marks: null, whole: null })
  assert.equal(b?.service, 'b')
})

const foreign = { ...described('calc'), peer: testPeer(2) }
const REFUSED: Record<string, Uint8Array> = {
  'the index of another peer': encodeIndex(testPeer(2), [foreign]),
  'a descriptor of another peer': encodeIndex(peer, [foreign]),
  'a name twice': first(['a', 'a']),
  'names out of order': first(['b', 'a']),
  'a name that is none': first(['A']),
  'a name that is no text': first([1]),
  'too many names': first(Array.from({ length: 33 }, (_, i) => `s${String(i).padStart(2, '0')}`)),
  'no list': first('a'),
  'an entry twice': listed([entry('a', null, null), entry('a', null, null)]),
  'an entry with a part missing': listed([entry('a', null)]),
  'an entry with more parts': listed([entry('a', null, null, null)]),
  'an entry with another hash': listed([['a', 'short', null, null]]),
  'an entry with a tag that is none': listed([entry('a', ['A'], null)]),
  'an entry with marks that are none': listed([entry('a', null, 'abc')]),
  'an entry with too many marks': listed([entry('a', null, 'abcd'.repeat(513))]),
  'a name in place of an entry': listed(['a']),
  'an object that is no descriptor': listed([{}]),
  'no JSON': utf8('['),
  'a version that is not ours': utf8(JSON.stringify({ v: 3, peer, services: [] })),
  'more than 8 KiB': new Uint8Array(8_193),
}

for (const [what, bytes] of Object.entries(REFUSED)) {
  test(`decodeIndex() refuses ${what}`, () => {
    assert.throws(() => decodeIndex(bytes, peer), coded('MCP_DESCRIPTOR_INVALID'))
  })
}
