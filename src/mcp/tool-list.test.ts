import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '@modelcontextprotocol/client'
import fc from 'fast-check'
import { listTools, readTools, TOOLS_MAX } from './tool-list.ts'

const tool = (name: string, more = {}) => ({ name, inputSchema: { type: 'object' }, ...more })
const options = { signal: new AbortController().signal, timeout: 1_000 }

test('readTools() cleans what is shown, values that decide included', () => {
  const dark = '\u202e'
  const [read] = readTools([
    tool('t', {
      description: `a${dark}b`,
      inputSchema: {
        type: 'object',
        properties: { mode: { description: `c${dark}d`, enum: [`e${dark}f`] } },
      },
    }),
  ])
  assert.equal(read?.description, 'ab')
  const properties = { mode: { description: 'cd', enum: ['ef'] } }
  assert.deepEqual(read.inputSchema, { type: 'object', properties })
})

test('readTools() passes over what cannot be called or is too large', () => {
  const long = { type: 'object', x: 'y'.repeat(70_000) }
  const bad = [tool('with space'), tool(''), tool('x'.repeat(129)), { name: 'no-schema' }, null, 7]
  assert.deepEqual(readTools([...bad, tool('long', { inputSchema: long })]), [])
})

test('readTools() keeps the first of two tools with one name', () => {
  const read = readTools([tool('a', { description: 'one' }), tool('a', { description: 'two' })])
  assert.deepEqual(
    read.map(({ description }) => description),
    ['one'],
  )
})

test('readTools() cuts a description to 4 KiB', () => {
  const [read] = readTools([tool('a', { description: 'x'.repeat(100_000) })])
  assert.equal(read?.description.length, 4_096)
})

test('readTools() takes a tool that only reads, or says so, for idempotent', () => {
  const hints = (annotations: object) => readTools([tool('a', { annotations })])[0]
  assert.equal(hints({})?.idempotent, false)
  assert.equal(hints({ idempotentHint: true })?.idempotent, true)
  assert.equal(hints({ readOnlyHint: true })?.idempotent, true)
  assert.equal(hints({ idempotentHint: 'yes' })?.idempotent, false)
})

test('readTools() takes anything without failing', () => {
  fc.assert(fc.property(fc.array(fc.jsonValue()), (list) => void readTools(list)))
})

function clientOf(page: (cursor: string | undefined) => object, capabilities = { tools: {} }) {
  let asked = 0
  const client = {
    getServerCapabilities: () => capabilities,
    request: async ({ params }: { params: { cursor?: string } }) => {
      asked += 1
      return page(params.cursor)
    },
  }
  return { client: client as unknown as Client, asked: () => asked }
}

test('listTools() follows the pages and stops at 512 tools', async () => {
  const { client } = clientOf((cursor = '0') => ({
    tools: Array.from({ length: 100 }, (_, i) => tool(`t${cursor}-${i}`)),
    nextCursor: String(Number(cursor) + 1),
  }))
  assert.equal((await listTools(client, options)).length, TOOLS_MAX)
})

test('listTools() gives up on pages that never end', async () => {
  const { client, asked } = clientOf(() => ({ tools: [], nextCursor: 'again' }))
  assert.deepEqual(await listTools(client, options), [])
  assert.equal(asked(), 64)
})

test('listTools() does not ask a server that has no tools', async () => {
  const { client, asked } = clientOf(() => ({ tools: [] }), {} as { tools: object })
  assert.deepEqual(await listTools(client, options), [])
  assert.equal(asked(), 0)
})
