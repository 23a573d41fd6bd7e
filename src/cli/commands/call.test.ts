import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BOB, type Setup, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { CodedError, utf8 } from '../../base/index.ts'
import { operations } from '../../control/api.ts'
import type { CallResult } from '../../mcp/index.ts'
import { call } from './call.ts'

const attempts = [{ peer: BOB, path: 'quic', ms: 3, code: 'ok' }]
const sum: CallResult = {
  content: [{ type: 'text', text: 'The sum of 2 and 40 is 42.' }],
  structuredContent: { sum: 42 },
  peer: BOB,
  attempts,
}

function calling(given: Setup, result: CallResult | CodedError = sum) {
  const requests: unknown[] = []
  const node = {
    async call(request: object) {
      requests.push(request)
      if (result instanceof CodedError) throw result
      return result
    },
  }
  return { ...setup({ ...given, node }), requests }
}

test('call passes the tool, its arguments and its time on', async () => {
  const options = { service: 'everything', peer: BOB }
  const args = ['get-sum', '{"a":2,"b":40}']
  const { context, requests, seen } = calling({ args, options, timeoutMs: 5_000 })
  await call.run(context)
  const wanted = { tool: 'get-sum', args: { a: 2, b: 40 }, timeoutMs: 5_000 }
  assert.deepEqual(requests, [{ ...wanted, service: 'everything', peer: BOB }])
  assert.equal(seen.closed, 1)
})

test('call - takes its arguments from what is piped in', async () => {
  const { context, requests } = calling({ args: ['sum', '-'], stdin: [utf8('{"a":'), utf8('2}')] })
  await call.run(context)
  assert.deepEqual(requests, [{ tool: 'sum', args: { a: 2 } }])
})

test('call without arguments sends an empty object', async () => {
  const { context, requests } = calling({ args: ['ping'] })
  await call.run(context)
  assert.deepEqual(requests, [{ tool: 'ping', args: {} }])
})

test('call prints the whole result for a program, attempts and all', async () => {
  const { context, printed } = calling({ args: ['get-sum'], json: true })
  await call.run(context)
  assert.deepEqual(printed(), sum)
})

test('call prints the text for a person', async () => {
  const { context, stdout } = calling({ args: ['get-sum'] })
  await call.run(context)
  assert.equal(stdout.text, 'The sum of 2 and 40 is 42.\n')
})

test('call names what a terminal cannot show and cleans what it can', async () => {
  const content = [
    { type: 'image', mimeType: 'image/png', data: 'AAAA' },
    { type: 'resource', resource: { uri: 'demo://1', text: 'a\u001b[31mb' } },
    { type: 'text', text: 'bell\u0007\nline' },
    'odd',
  ]
  const { context, stdout } = calling({ args: ['x'] }, { content, peer: BOB, attempts })
  await call.run(context)
  assert.equal(
    stdout.text,
    '[image image/png, 4 characters of base64; --json prints it whole]\nab\nbell\nline\nodd\n',
  )
})

test('call prints structured content where there is no other', async () => {
  const result = { content: [], structuredContent: { sum: 42 }, peer: BOB, attempts }
  const { context, stdout } = calling({ args: ['x'] }, result)
  await call.run(context)
  assert.deepEqual(JSON.parse(stdout.text), { sum: 42 })
})

test('call prints what a tool says of its failure, then fails', async () => {
  const content = [{ type: 'text', text: 'no such file' }]
  const { context, stdout, seen } = calling(
    { args: ['read'] },
    { content, isError: true, peer: BOB, attempts },
  )
  await assert.rejects(call.run(context), coded('CLI_TOOL_FAILED'))
  assert.equal(stdout.text, 'no such file\n')
  assert.equal(seen.closed, 1)
})

for (const [args, options] of [
  [[], {}],
  [['ping', '[]'], {}],
  [['ping', '{'], {}],
  [['ping'], { peer: 'bob' }],
] as const) {
  test(`call refuses ${JSON.stringify([args, options])} before it connects`, async () => {
    const { context, seen } = calling({ args, options })
    await assert.rejects(call.run(context), coded('CLI_USAGE'))
    assert.equal(seen.connects, 0)
  })
}

test('call refuses a time that the API would refuse, before it connects', async () => {
  const late = calling({ args: ['ping'], timeoutMs: 3_600_001 })
  await assert.rejects(call.run(late.context), coded('CLI_USAGE'))
  assert.equal(late.seen.connects, 0)
  const just = calling({ args: ['ping'], timeoutMs: 3_600_000 })
  await call.run(just.context)
  assert.doesNotThrow(() => operations.call.body.parse(just.requests[0]))
})

test('call says on stderr who was considered and tried, and why', async () => {
  const offer = { peer: BOB, service: 'sums', idempotent: true, local: false, connected: true }
  const shown = { success: 0.98, load: 40, inWork: 2, grants: 1, missing: null }
  const refused = { success: null, load: null, missing: 'ACCESS_GRANT_MISSING' }
  const worse = { ...refused, behind: 'expected time' as const }
  const explain = {
    found: { asked: 5, silent: 1, cached: false, ms: 12 },
    considered: [
      { ...offer, latencyMs: 3.25, failures: 0, ...shown, behind: null },
      { ...offer, latencyMs: 9, failures: 0, ...shown, ...worse },
    ],
    tried: [{ peer: BOB, path: 'quic', ms: 3, code: 'ok', atMs: 12 }],
  }
  const options = { explain: true, hedge: '50', key: 'a-key-of-my-own-1' }
  const { context, requests, stdout, stderr } = calling(
    { args: ['get-sum'], options },
    { ...sum, explain },
  )
  await call.run(context)
  const wanted = { explain: true, hedge: 50, key: 'a-key-of-my-own-1' }
  assert.deepEqual(requests, [{ tool: 'get-sum', args: {}, ...wanted }])
  assert.equal(stdout.text, 'The sum of 2 and 40 is 42.\n', 'the answer alone')
  assert.match(stderr.text, /considered: 2, found in 12 ms; 5 asked, 1 did not answer/)
  assert.match(
    stderr.text,
    /1 +\S+ +sums +3\.3 ms +98 % +40 % +2 +1 +first, no failures, connected/,
  )
  assert.match(stderr.text, /2 +\S+ +sums +9\.0 ms +- +- +2 +ACCESS_GRANT_MISSING +behind by exp/)
  assert.match(stderr.text, /12 ms +\S+ +quic +3 ms +ok/)
})

test('call says of a call that failed as well who was considered, and what was missing', async () => {
  const explain = {
    found: { asked: 5, silent: 1, cached: false, ms: 12 },
    considered: [],
    tried: [{ peer: BOB, path: 'quic', ms: 3, code: 'ACCESS_GRANT_MISSING', atMs: 12 }],
  }
  const failure = new CodedError('MCP_GRANT_REFUSED', { explain }, { says: () => 'Cannot' })
  const { context, stderr } = calling({ args: ['x'], options: { explain: true } }, failure)
  await assert.rejects(call.run(context), coded('MCP_GRANT_REFUSED'))
  assert.match(stderr.text, /12 ms +\S+ +quic +3 ms +ACCESS_GRANT_MISSING/)
  const plain = calling({ args: ['x'] }, failure)
  await assert.rejects(call.run(plain.context), coded('MCP_GRANT_REFUSED'))
  assert.equal(plain.stderr.text, '')
})

test('call takes a time for --hedge, or auto, and nothing else', async () => {
  const auto = calling({ args: ['x'], options: { hedge: 'auto' } })
  await call.run(auto.context)
  assert.deepEqual(auto.requests, [{ tool: 'x', args: {}, hedge: true }])
  for (const hedge of ['0', '-1', '1.5', 'soon', '60001']) {
    const { context } = calling({ args: ['x'], options: { hedge } })
    await assert.rejects(call.run(context), coded('CLI_USAGE'))
  }
})
