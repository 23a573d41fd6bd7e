import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { PEER } from '../../test/support/served-node.ts'
import { collected, OTHER, stdioNode } from '../../test/support/stdio-node.ts'
import { CodedError, utf8 } from '../base/index.ts'
import type { JsonObject } from '../wire/index.ts'
import { operations } from './api.ts'
import { StdioOperations } from './stdio-operations.ts'

function setup() {
  const made = stdioNode()
  const { outlet, events } = collected()
  const ended = new AbortController()
  const { running } = made
  const deps = { running, outlet, clock: new FakeClock() }
  const served = new StdioOperations(deps, ended.signal)
  let lastId = 0
  /** The answer of one operation, or the code of its error. */
  const ask = async (type: string, fields: JsonObject = {}): Promise<unknown> => {
    lastId += 1
    const id = lastId
    try {
      await served.run({ v: 2, type, id, ...fields }, type, id)
    } catch (error) {
      assert.ok(error instanceof CodedError)
      return error.code
    }
    const answer = events.splice(0).at(-1)
    assert.deepEqual([answer?.v, answer?.type, answer?.id], [2, 'result', id])
    return answer?.result
  }
  return { ...made, served, ask, events, ended }
}

/** Everything that an operation wants, by its name; what is not here wants nothing. */
const INPUTS: Readonly<Record<string, JsonObject>> = {
  reconfigure: { changes: { 'dht.k': 8 } },
  connect: { target: OTHER },
  disconnect: { peer: PEER },
  ping: { peer: PEER },
  identity: { peer: PEER },
  tools: { text: 'add' },
  call: { tool: 'add', args: { a: 1 }, peer: PEER },
  callOutput: { tool: 'add', peer: PEER },
  catalogCall: { name: 'calc_add' },
  catalogApprove: { name: 'calc_add', hash: 'h'.repeat(43) },
  expose: { name: 'calc', source: { kind: 'http', url: 'http://127.0.0.1:1/' } },
  exposeAttached: { name: 'calc', source: { kind: 'http', url: 'http://127.0.0.1:1/' } },
  invitation: { name: 'calc' },
  unexpose: { name: 'calc' },
  dhtPut: { key: '/mcp/x', value: 'hi' },
  dhtGet: { key: '/mcp/x' },
  nameClaim: { name: 'alice' },
  nameFind: { name: 'alice' },
  agentFind: { address: `0x${'1'.repeat(40)}` },
  audit: { limit: 3 },
}
const NOT_HERE: readonly string[] = ['prove', 'openapi']
/** Needs a token, a grant or a tool of its own; or never ends. Tested below or over HTTP. */
const APART = /^(grant|catalog|events|token|message|agent|inbox)/

test('every operation of the API is answered, but for those about HTTP itself', async () => {
  const { ask } = setup()
  for (const name of Object.keys(operations)) {
    if (APART.test(name) && INPUTS[name] === undefined) continue
    const found = await ask(name, INPUTS[name])
    if (NOT_HERE.includes(name)) assert.equal(found, 'CONTROL_STDIO_HTTP_ONLY', name)
    else
      assert.notEqual(
        typeof found === 'string' && found.startsWith('CONTROL_'),
        true,
        `${name}: ${String(found)}`,
      )
  }
  assert.equal(await ask('metrics'), '# metrics')
  assert.deepEqual(await ask('ping', { peer: PEER }), { peer: PEER, ms: 1.5 })
})

test('what an operation does not take is refused before it is asked', async () => {
  const { ask, asked } = setup()
  const invalid = 'CONTROL_STDIO_COMMAND_INVALID'
  assert.equal(await ask('connect', {}), invalid)
  assert.equal(await ask('connect', { target: OTHER, port: 1 }), invalid)
  assert.equal(await ask('status', { more: 1 }), invalid)
  assert.equal(await ask('connect', { input: 'x' }), invalid)
  assert.equal(await ask('connect', { input: {}, target: OTHER }), invalid)
  assert.equal(await ask('nothing'), 'CONTROL_STDIO_TYPE_UNKNOWN')
  assert.equal(await ask('toString'), 'CONTROL_STDIO_TYPE_UNKNOWN')
  assert.deepEqual(asked, [])
  assert.deepEqual(await ask('connect', { input: { target: OTHER } }), { peer: PEER })
})

test('publish reaches a topic, and cancel takes a question back', async () => {
  const { ask, asked, running } = setup()
  assert.deepEqual(await ask('publish', { topic: 't', data: { a: 1 } }), { peers: 1 })
  assert.deepEqual(asked.at(-1)?.args.slice(0, 2), ['t', { a: 1 }])
  assert.equal(await ask('publish', { topic: 't' }), 'CONTROL_STDIO_COMMAND_INVALID')
  assert.deepEqual(await ask('cancel', { of: 77 }), { cancelled: false })
  running.node.ping = (_peer, { signal }) => {
    return new Promise((_, reject) =>
      signal?.addEventListener('abort', () => reject(signal.reason as Error)),
    )
  }
  const [pinged, cancelled] = await Promise.all([
    ask('ping', { peer: PEER }),
    turn().then(() => ask('cancel', { of: 4 })),
  ])
  assert.deepEqual([pinged, cancelled], ['CONTROL_STDIO_CANCELLED', { cancelled: true }])
})

test('events are told until they are cancelled', async () => {
  const { served, events, net, ask } = setup()
  const run = served.run({ v: 2, type: 'events', id: 'e' }, 'events', 'e')
  await turn()
  net.emit('connected', { peer: OTHER })
  await turn()
  const names = events.map(({ id, event }) => [id, (event as { event: string }).event])
  const greeting = ['ready', 'health-changed', 'notice', 'peer-connected']
  assert.deepEqual(
    names,
    greeting.map((name) => ['e', name]),
  )
  events.splice(0)
  await ask('cancel', { of: 'e' })
  await run
  assert.deepEqual(events.at(-1)?.result ?? { ended: true }, { ended: true })
  await served.stop()
})

test('a long result comes in parts, and its head last', async () => {
  const { served, events, running } = setup()
  const parts = [new Uint8Array(60_000).fill(0x20), utf8('{}')]
  async function* each() {
    yield* parts
  }
  const attempts: never[] = []
  running.node.tools.call = async (_tool, _args, { onlarge }) => {
    await onlarge?.({ peer: PEER, bytes: 60_002, sha256: 'ab', parts: each() })
    return { content: [], peer: PEER, attempts }
  }
  await served.run({ v: 2, type: 'callOutput', id: 1, tool: 'add' }, 'callOutput', 1)
  const last = events.pop()
  assert.deepEqual(last?.result, { peer: PEER, bytes: 60_002, sha256: 'ab' })
  const bytes = Buffer.concat(events.map(({ base64 }) => Buffer.from(String(base64), 'base64')))
  assert.equal(bytes.length, 60_002)
  assert.deepEqual(
    events.map(({ type }) => type),
    ['output', 'output', 'output'],
  )
})

test('what was offered for as long as we live is withdrawn at the end', async () => {
  const { ask, served, services, ended } = setup()
  await ask('exposeAttached', INPUTS.exposeAttached)
  assert.equal(services.has('calc'), true)
  ended.abort()
  await served.stop()
  assert.equal(services.has('calc'), false)
})
