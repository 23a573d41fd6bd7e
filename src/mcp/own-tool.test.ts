import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { BOB } from '../../test/support/mcp-fixture.ts'
import { hasCode, silentLog } from '../base/index.ts'
import { type StandardSchema, type Tool, type ToolReturn, tool } from './own-tool.ts'
import { type ToolArgs, z } from './tool.ts'

const sum = z.object({ a: z.number(), b: z.number().default(40) })
const nothing = z.object({})

/** Runs a tool as peer Bob would. */
function run(made: Tool, args: ToolArgs = {}, signal = new AbortController().signal) {
  return made.run(args, { caller: BOB, signal, log: silentLog, correlationId: 'c1' })
}

const returning = (value: unknown) => tool('t', { input: nothing }, () => value as ToolReturn)
const text = (said: string) => [{ type: 'text', text: said }]

function refused(found: RegExp): (error: unknown) => boolean {
  return (error) => hasCode(error, 'MCP_SERVICE_INVALID') && found.test(error.message)
}

test('tool() hands its function arguments as the schema reads them, and the context', async () => {
  const made = tool('add', { input: sum }, async ({ a, b }, context) => {
    assert.deepEqual([context.caller, context.correlationId], [BOB, 'c1'])
    return a + b
  })
  assert.deepEqual(await run(made, { a: 2, more: 'left out' }), { content: text('42') })
})

test('a Zod object is shown to callers as the JSON Schema that it draws', () => {
  const made = tool('add', { input: sum, description: 'Adds', title: 'Sum' }, () => 1)
  const { inputSchema, ...info } = made.info
  assert.deepEqual(info, { name: 'add', description: 'Adds', idempotent: false, readOnly: false })
  assert.equal(inputSchema.type, 'object')
  assert.deepEqual(inputSchema.required, ['a'])
  assert.equal(made.listed.title, 'Sum')
})

test('a tool that only reads is idempotent, and one that says so is', () => {
  const hints = (given: object) => {
    const { idempotent, readOnly } = tool('t', { input: nothing, ...given }, () => 1).info
    return [idempotent, readOnly]
  }
  assert.deepEqual(hints({}), [false, false])
  assert.deepEqual(hints({ idempotent: true }), [true, false])
  assert.deepEqual(hints({ readOnly: true }), [true, true])
})

test('arguments that do not fit are answered with every reason, and the function not run', async () => {
  const made = tool('add', { input: sum }, () => assert.fail('must not run'))
  const { content, isError } = await run(made, { a: 'two', b: null })
  assert.equal(isError, true)
  const [block] = content as { text: string }[]
  assert.match(block?.text ?? '', /^Cannot call tool "add": a: .*number.*; b: .*number/)
})

test('a tool without input takes no arguments, and says so', async () => {
  const made = tool('now', { readOnly: true }, (_args, { caller }) => `noon, ${caller}`)
  assert.deepEqual(made.info.inputSchema, { type: 'object', additionalProperties: false })
  assert.deepEqual(await run(made), { content: text(`noon, ${BOB}`) })
  assert.equal((await run(made, { at: 'sea' })).isError, true)
})

test('a JSON Schema is held as well', async () => {
  const input = {
    type: 'object',
    properties: { n: { type: 'integer', minimum: 1 } },
    required: ['n'],
  }
  const made = tool('count', { input }, ({ n }) => Number(n) + 1)
  assert.deepEqual(made.info.inputSchema, input)
  assert.deepEqual(await run(made, { n: 1 }), { content: text('2') })
  assert.equal((await run(made, { n: 0 })).isError, true)
  assert.equal((await run(made, {})).isError, true)
})

test('any Standard Schema that draws itself will do, also one that reads asynchronously', async () => {
  const input: StandardSchema<{ readonly who: string }> = {
    '~standard': {
      version: 1,
      vendor: 'ours',
      validate: async (value) =>
        (value as { who?: unknown }).who === 'you'
          ? { value: { who: 'you' } }
          : { issues: [{ message: 'nobody', path: [{ key: 'who' }] }] },
      jsonSchema: { input: () => ({ type: 'object' }), output: () => ({ type: 'object' }) },
    },
  }
  const made = tool('greet', { input }, ({ who }) => `hello ${who}`)
  assert.deepEqual(await run(made, { who: 'you' }), { content: text('hello you') })
  const { content } = await run(made, { who: 'me' })
  assert.deepEqual(content, text('Cannot call tool "greet": who: nobody'))
})

test('what a function returns becomes text, structured content, or goes out as it is', async () => {
  assert.deepEqual(await run(returning('hi')), { content: text('hi') })
  assert.deepEqual(await run(returning(0)), { content: text('0') })
  assert.deepEqual(await run(returning(false)), { content: text('false') })
  assert.deepEqual(await run(returning(undefined)), { content: [] })
  assert.deepEqual(await run(returning({ sum: 42, gone: undefined })), {
    content: text('{"sum":42}'),
    structuredContent: { sum: 42 },
  })
  const whole = { content: [{ type: 'image', data: 'AA==', mimeType: 'image/png' }] }
  assert.deepEqual(await run(returning({ ...whole, secret: 'kept' })), whole)
  assert.deepEqual(await run(returning({ ...whole, isError: true })), { ...whole, isError: true })
  // Content that is no list of blocks makes it an object like any other.
  const odd = await run(returning({ content: ['x'] }))
  assert.deepEqual(odd.structuredContent, { content: ['x'] })
})

test('what is no answer is an error of the tool that says what was found', async () => {
  for (const [value, found] of [
    [[1], /a list/],
    [null, /null/],
    [new Date(0), /object/],
    [1n, /bigint/],
    [() => 1, /function/],
  ] as const) {
    const { content, isError } = await run(returning(value))
    assert.equal(isError, true)
    assert.match((content as { text: string }[])[0]?.text ?? '', found)
  }
  const round: Record<string, unknown> = {}
  round.self = round
  const mute = { toJSON: () => undefined }
  const other = { toJSON: () => 'a text' }
  const half = { content: [{ type: 'text' }] }
  const loose = { content: [], structuredContent: 'a text' }
  const bare = { content: [{ type: 'resource', resource: {} }] }
  for (const wrong of [round, { deep: { n: 1n } }, mute, other, half, loose, bare]) {
    const { content, isError } = await run(returning(wrong))
    assert.equal(isError, true)
    assert.match(
      (content as { text: string }[])[0]?.text ?? '',
      /^Cannot accept service: what tool "t" returned is "[^\n]*"; wanted text, a number/,
    )
  }
})

test('an error of the function is told by its message, never its stack', async () => {
  const made = tool('t', { input: nothing }, () => {
    throw new RangeError('no more paper')
  })
  assert.deepEqual(await run(made), { content: text('no more paper'), isError: true })
  const odd = tool('t', { input: nothing }, () => {
    AbortSignal.abort('a text').throwIfAborted()
  })
  assert.deepEqual(await run(odd), { content: text('Tool "t" failed'), isError: true })
  const long = tool('t', { input: nothing }, () => {
    throw new RangeError('x'.repeat(100_000))
  })
  const [block] = (await run(long)).content as { text: string }[]
  assert.equal(block?.text.length, 4_096)
})

test('an output schema is shown, and an answer that breaks it is an error', async () => {
  const options = { input: nothing, output: z.object({ n: z.number() }) }
  const made = (value: ToolReturn) => tool('t', options, () => value)
  assert.equal(made(1).info.outputSchema?.type, 'object')
  assert.deepEqual((await run(made({ n: 1 }))).structuredContent, { n: 1 })
  for (const wrong of [{ n: 'one' }, 'text', 7] as const) {
    assert.equal((await run(made(wrong))).isError, true)
  }
  const failed = { content: text('sorry'), isError: true }
  assert.deepEqual(await run(made(failed)), failed)
})

test('once nobody waits, a call rejects with the reason of the signal', async () => {
  const given = new AbortController()
  const reason = new RangeError('given up')
  const made = tool('t', { input: nothing }, (_, { signal }) => {
    given.abort(reason)
    signal.throwIfAborted()
  })
  await assert.rejects(run(made, {}, given.signal), reason)
  const never = tool('t', { input: nothing }, () => assert.fail('must not run'))
  await assert.rejects(run(never, {}, given.signal), reason)
})

test('tool() refuses what cannot be offered, and says what it found and wanted', () => {
  const make = (name: string, input: unknown) => () =>
    tool(name, { input: input as object }, () => 1)
  assert.throws(make('not a name', nothing), refused(/the name of a tool is "not a name"; wanted/))
  assert.throws(make('', nothing), refused(/the name of a tool/))
  assert.throws(make('t', z.string()), refused(/of type string.*z\.object/))
  assert.throws(make('t', z.object({ when: z.date() })), refused(/input schema of tool "t"/))
  assert.throws(make('t', { type: 'array' }), refused(/of type array/))
  assert.throws(make('t', { type: 'object', properties: 7 }), refused(/can be compiled/))
  assert.throws(make('t', 'text'), refused(/a Zod object/))
  assert.throws(make('t', null), coded('MCP_SERVICE_INVALID'))
  const big = { type: 'object', description: 'x'.repeat(70_000) }
  assert.throws(make('t', big), refused(/too large/))
  const mute = { '~standard': { version: 1, vendor: 'other', validate: () => ({ value: 1 }) } }
  assert.throws(make('t', mute), refused(/a schema of other that does not/))
})

interface Announcement {
  readonly name: string
}

test('what a function returns may be of an interface; a list is refused by its type', async () => {
  const made = tool('t', {}, (): Announcement => ({ name: 'x' }))
  assert.deepEqual((await run(made)).structuredContent, { name: 'x' })
  // @ts-expect-error a list is no answer
  const list = tool('t', {}, () => [1])
  // @ts-expect-error a map is none
  const map = tool('t', {}, () => new Map())
  for (const wrong of [list, map]) assert.equal((await run(wrong)).isError, true)
})
