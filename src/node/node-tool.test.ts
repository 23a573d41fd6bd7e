import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Tool, z } from '../mcp/index.ts'
import { oneTool, serviceOf } from './node-tool.ts'
import type { OfferOptions } from './offer.ts'

function exposing() {
  const calls: [string, readonly Tool[], OfferOptions | undefined][] = []
  const tool = oneTool(async (name, tools, options) => {
    calls.push([name, tools, options])
    return { name, withdraw: async () => undefined, [Symbol.asyncDispose]: async () => undefined }
  })
  return { calls, tool }
}

test('one tool is offered by its schema, or by all that tool() takes', async () => {
  const { calls, tool } = exposing()
  const schema = z.object({ a: z.number(), b: z.number() })
  await tool('add', schema, ({ a, b }) => a + b)
  const options = { input: schema, idempotent: true }
  await tool('get_Sum', options, ({ a, b }) => a + b, { tags: ['math'] })
  await tool('now', {}, () => 'now')
  assert.deepEqual(
    calls.map(([service, tools, given]) => [service, tools.map(({ info }) => info.name), given]),
    [
      ['add', ['add'], undefined],
      ['get-sum', ['get_Sum'], { tags: ['math'] }],
      ['now', ['now'], undefined],
    ],
  )
  assert.deepEqual(
    calls.map(([, tools]) => tools[0]?.info.idempotent),
    [false, true, false],
  )
})

test('a JSON Schema is a schema, and no options that ask for nothing', async () => {
  const { calls, tool } = exposing()
  const schema = { type: 'object', properties: { a: { type: 'number' } } } as const
  await tool('twice', schema, ({ a }) => 2 * Number(a))
  assert.deepEqual(calls[0]?.[1][0]?.info.inputSchema, schema)
})

test('serviceOf() makes the name of a service of that of a tool', () => {
  for (const [tool, service] of [
    ['add', 'add'],
    ['files/read.All', 'files-read-all'],
    ['__x__', 'x'],
    ['..', 'tool'],
    ['a'.repeat(100), 'a'.repeat(63)],
  ] as const) {
    assert.equal(serviceOf(tool), service)
  }
})
