import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { testPeer, testTool } from '../../test/support/mcp-directory.ts'
import { fromUtf8, hasCode, utf8 } from '../base/index.ts'
import {
  DESCRIPTOR_BYTES_MAX,
  decodeDescriptor,
  describe,
  encodeDescriptor,
  hashOfTool,
  hashOfTools,
} from './descriptor.ts'

const peer = testPeer(1)
const NONE = { count: 0, names: [] }
const head = { service: 'calc', peer, version: '0.1.0', endpoints: ['/ip4/127.0.0.1/tcp/9000'] }
const invalid = coded('MCP_DESCRIPTOR_INVALID')

const listed = fc
  .array(fc.string({ unit: 'binary', maxLength: 80 }), { maxLength: 40 })
  .map((names) => ({ count: names.length, names }))
const schema = fc.constantFrom(
  { type: 'object' },
  { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] },
  { type: 'object', properties: { 'not a name': {} } },
  { anyOf: [] },
)
const described = fc.record({
  service: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/),
  peer: fc.constantFrom(peer, testPeer(2)),
  version: fc.stringMatching(/^[A-Za-z0-9.+-]{1,64}$/),
  endpoints: fc.array(fc.stringMatching(/^\/[a-z0-9/.:-]{1,60}$/), { maxLength: 12 }),
  expires: fc.nat(2_000_000_000),
  tags: fc.array(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/), { maxLength: 20 }),
  price: fc.option(fc.nat(1_000_000_000)),
  load: fc.option(fc.nat(100)),
  resources: listed,
  prompts: listed,
  tools: fc.uniqueArray(
    fc.record({
      name: fc.stringMatching(/^[A-Za-z0-9_./-]{1,128}$/),
      description: fc.string({ unit: 'binary', maxLength: 600 }),
      inputSchema: schema,
      idempotent: fc.boolean(),
      readOnly: fc.boolean(),
    }),
    { selector: ({ name }) => name, maxLength: 40 },
  ),
})

/** The bytes of a valid descriptor, as an object to bend. */
function bent(change: (fields: Record<string, unknown>) => void): Uint8Array {
  const bytes = encodeDescriptor(describe({ ...head, tools: [testTool('add')] }))
  const fields = JSON.parse(fromUtf8(bytes)) as Record<string, unknown>
  change(fields)
  return utf8(JSON.stringify(fields))
}

test('whatever a service is, its descriptor fits, and is read as it was written', () => {
  fc.assert(
    fc.property(described, (given) => {
      const descriptor = describe(given)
      const bytes = encodeDescriptor(descriptor)
      assert.ok(bytes.length <= DESCRIPTOR_BYTES_MAX)
      assert.deepEqual(decodeDescriptor(bytes), descriptor)
      assert.equal(descriptor.toolCount, given.tools.length)
    }),
  )
})

test('describe() cuts descriptions first, and then only counts the tools', () => {
  const long = 'x'.repeat(4_000)
  const some = Array.from({ length: 40 }, (_, i) => testTool(`tool-${i}`, { description: long }))
  const cut = describe({ ...head, tools: some })
  assert.equal(cut.tools.length, 40)
  assert.ok(cut.tools.every(({ description }) => description.endsWith('…')))

  const many = Array.from({ length: 512 }, (_, i) => testTool(`tool-${i}`))
  const counted = describe({ ...head, tools: many })
  assert.deepEqual([counted.tools.length, counted.toolCount], [0, 512])
  assert.ok(encodeDescriptor(counted).length <= DESCRIPTOR_BYTES_MAX)
})

test('describe() leaves out what it could not read back', () => {
  const tools = [testTool('good'), testTool('bad name'), testTool('')]
  const endpoints = ['no slash', '/ip4/1.2.3.4/tcp/1', `/${'x'.repeat(300)}`]
  const { tools: listed, endpoints: kept } = describe({ ...head, tools, endpoints })
  assert.deepEqual([listed.map(({ name }) => name), kept], [['good'], ['/ip4/1.2.3.4/tcp/1']])
})

const REFUSED: Record<string, Uint8Array> = {
  'an empty record': new Uint8Array(),
  'what is no JSON': utf8('{"v":1'),
  'what is no UTF-8': Uint8Array.of(0x22, 0xff, 0x22),
  'what is no object': utf8('[]'),
  'another version': bent((fields) => Object.assign(fields, { v: 3 })),
  'a key more': bent((fields) => Object.assign(fields, { more: 1 })),
  'a key less': bent((fields) => delete fields.endpoints),
  'white space': utf8(`${fromUtf8(bent(() => undefined))} `),
  'a service name with a slash': bent((fields) => Object.assign(fields, { service: 'a/b' })),
  'no peer id': bent((fields) => Object.assign(fields, { peer: 'me' })),
  'a version with a space': bent((fields) => Object.assign(fields, { version: '1 0' })),
  'a short hash': bent((fields) => Object.assign(fields, { schemaHash: 'ab' })),
  'more tools than are counted': bent((fields) => Object.assign(fields, { toolCount: 0 })),
  'fewer tools than are counted': bent((fields) => Object.assign(fields, { toolCount: 2 })),
  'a negative count': bent((fields) => Object.assign(fields, { tools: [], toolCount: -1 })),
  'half a tool': bent((fields) => Object.assign(fields, { tools: [], toolCount: 0.5 })),
  'too many tools': bent((fields) => Object.assign(fields, { tools: [], toolCount: 513 })),
  'a tool that is no object': bent((fields) => Object.assign(fields, { tools: ['add'] })),
  'a tool of another form': bent((fields) => Object.assign(fields, { tools: [['add', 'x', 1]] })),
  'a hint that there is not': bent((fields) => {
    Object.assign(fields, { tools: [['add', 'x', 4, '', null]] })
  }),
  'a short hash of a tool': bent((fields) => {
    Object.assign(fields, { tools: [['add', 'x', 1, 'ab', null]] })
  }),
  'an argument of no type': bent((fields) => {
    Object.assign(fields, { tools: [['add', 'x', 1, '', ['a:float']]] })
  }),
  'seventeen tags': bent((fields) => {
    Object.assign(fields, { tags: Array.from({ length: 17 }, (_, i) => `t${i + 10}`) })
  }),
  'tags out of order': bent((fields) => Object.assign(fields, { tags: ['b', 'a'] })),
  'a tag twice': bent((fields) => Object.assign(fields, { tags: ['a', 'a'] })),
  'a load above 100': bent((fields) => Object.assign(fields, { load: 101 })),
  'a price below zero': bent((fields) => Object.assign(fields, { price: -1 })),
  'an end that is no number': bent((fields) => Object.assign(fields, { expires: '1' })),
  'resources without a count': bent((fields) => Object.assign(fields, { resources: [['a']] })),
  'too many names': bent((fields) => {
    Object.assign(fields, { prompts: [17, Array(17).fill('a')] })
  }),
  'nine endpoints': bent((fields) => Object.assign(fields, { endpoints: Array(9).fill('/a') })),
  'an endpoint of 300 bytes': bent((fields) => {
    Object.assign(fields, { endpoints: [`/${'x'.repeat(300)}`] })
  }),
  '8 KiB and one byte': new Uint8Array(DESCRIPTOR_BYTES_MAX + 1).fill(0x20),
}

for (const [what, bytes] of Object.entries(REFUSED)) {
  test(`decodeDescriptor() refuses ${what}`, () => {
    assert.throws(() => decodeDescriptor(bytes), invalid)
  })
}

test('decodeDescriptor() refuses the same values in another order', () => {
  const fields = JSON.parse(fromUtf8(bent(() => undefined))) as Record<string, unknown>
  const turned = Object.fromEntries(Object.entries(fields).toReversed())
  assert.throws(() => decodeDescriptor(utf8(JSON.stringify(turned))), invalid)
})

test('decodeDescriptor() cleans the texts of strangers', () => {
  const bytes = bent((fields) => {
    const [tool] = fields.tools as unknown[][]
    Object.assign(tool ?? [], { 1: 'adds\u202e\u001b[2J' })
  })
  assert.equal(decodeDescriptor(bytes).tools[0]?.description, 'adds[2J')
})

test('encodeDescriptor() refuses what nobody could read', () => {
  const tools = Array.from({ length: 512 }, (_, i) => testTool(`tool-${i}`))
  const described = tools.map((tool) => ({ ...tool, hash: hashOfTool(tool), args: [] }))
  const huge = { ...describe({ ...head, tools: [] }), tools: described, toolCount: 512 }
  assert.throws(() => encodeDescriptor(huge), invalid)
})

test('hashOfTools() does not depend on order, and changes with any schema', () => {
  const [a, b] = [testTool('a'), testTool('b')]
  const turned = { type: 'object', properties: { x: {}, y: {} } }
  const same = { properties: { y: {}, x: {} }, type: 'object' }
  assert.equal(hashOfTools([a, b]), hashOfTools([b, a]))
  assert.equal(
    hashOfTools([{ ...a, inputSchema: turned }]),
    hashOfTools([{ ...a, inputSchema: same }]),
  )
  assert.notEqual(hashOfTools([{ ...a, inputSchema: turned }]), hashOfTools([a]))
})

test('what the first version wrote is still read', () => {
  const tools = [{ name: 'add', description: 'adds', idempotent: true, readOnly: false }]
  const common = { schemaHash: 'a'.repeat(64), endpoints: ['/ip4/127.0.0.1/tcp/9000'] }
  const { service, version } = head
  const written = { v: 1, service, peer, version, tools, toolCount: 1, ...common }
  const read = decodeDescriptor(utf8(JSON.stringify(written)))
  const unsaid = { expires: 0, tags: [], price: null, load: null, resources: NONE, prompts: NONE }
  const known = tools.map((tool) => ({ ...tool, hash: '', args: null }))
  const now = { service, peer, version, tools: known, toolCount: 1, ...common, ...unsaid }
  assert.deepEqual(read, now)
  assert.throws(() => decodeDescriptor(utf8(JSON.stringify({ ...written, more: 1 }))), invalid)
  const half = { ...written, tools: [{ name: 'add', description: 'adds' }] }
  assert.throws(() => decodeDescriptor(utf8(JSON.stringify(half))), invalid)
})

test('describe() says of a tool which arguments it takes, and of all what its tags are', () => {
  const inputSchema = {
    type: 'object',
    properties: { b: { type: 'integer' }, a: { type: 'number' }, c: {} },
    required: ['a'],
  }
  const tools = [testTool('add', { inputSchema })]
  const said = describe({ ...head, tools, tags: ['math', 'Not one', 'calc', 'math'] })
  assert.deepEqual(said.tools[0]?.args, ['a:number!', 'b:integer', 'c:any'])
  assert.deepEqual(said.tags, ['calc', 'math'])
  assert.equal(said.tools[0].hash, hashOfTool(tools[0] ?? assert.fail()))
})

test('hashOfTool() changes with anything of the tool', () => {
  const tool = testTool('a')
  for (const over of [
    { description: 'other' },
    { inputSchema: { type: 'object', properties: {} } },
    { outputSchema: { type: 'object' } },
    { idempotent: false },
    { readOnly: true },
  ]) {
    assert.notEqual(hashOfTool({ ...tool, ...over }), hashOfTool(tool))
  }
  assert.equal(hashOfTool({ ...tool }), hashOfTool(tool))
})

test('decodeDescriptor() answers noise with a coded error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      assert.throws(
        () => decodeDescriptor(noise),
        (error) => {
          return hasCode(error, 'MCP_DESCRIPTOR_INVALID')
        },
      )
    }),
  )
})
