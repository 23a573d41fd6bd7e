import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request as send } from 'node:http'
import { test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { ask, codeOf, startControl, TOKEN } from '../../test/support/control.ts'
import { HEALTHY, PATHS, PEER, RESOURCES, STATUS } from '../../test/support/served-node.ts'
import { BaseError, correlationId, defineErrors, type Logger, silentLog } from '../base/index.ts'

const post = (body: unknown) => ({ method: 'POST', body: JSON.stringify(body) })

test('GET /health says alive with 200 while degraded, and 503 when failing', async () => {
  let report = { ...HEALTHY, status: 'degraded' as 'degraded' | 'failing', reasons: ['no peers'] }
  await using control = await startControl({ over: { health: () => report } })
  const degraded = await ask(`${control.api}/health`, { token: null })
  assert.equal(degraded.status, 200)
  assert.deepEqual(degraded.json, report)
  report = { ...report, status: 'failing' }
  assert.equal((await ask(`${control.api}/health`)).status, 503)
})

test('GET /ready is 503 until the node is ready, with the same body', async () => {
  let report = { ...HEALTHY, ready: false, reasons: ['not started'] }
  await using control = await startControl({ over: { health: () => report } })
  const early = await ask(`${control.api}/ready`, { token: null })
  assert.equal(early.status, 503)
  assert.deepEqual(early.json, report)
  report = { ...report, ready: true }
  assert.equal((await ask(`${control.api}/ready`)).status, 200)
})

test('GET /metrics is Prometheus text, or OpenMetrics where Accept asks for it', async () => {
  await using control = await startControl()
  const plain = await ask(`${control.api}/metrics`)
  assert.match(String(plain.headers['content-type']), /^text\/plain; version=0\.0\.4/)
  assert.match(plain.text, /^p2p_test 3$/m)
  const accept = 'application/openmetrics-text; version=1.0.0,text/plain;q=0.5'
  const open = await ask(`${control.api}/metrics`, { headers: { accept } })
  assert.match(String(open.headers['content-type']), /^application\/openmetrics-text/)
  assert.match(open.text, /^p2p_test_total 3$/m)
  assert.match(open.text, /# EOF\n$/)
})

test('GET /openapi.json is a valid OpenAPI 3.0 document that lists every route', async () => {
  await using control = await startControl()
  const { status, json } = await ask(`${control.api}/openapi.json`)
  assert.equal(status, 200)
  const document = json as { openapi: string; paths: Record<string, object> }
  assert.match(document.openapi, /^3\.0\./)
  const verdict = await new Validator().validate(structuredClone(document))
  assert.deepEqual(verdict.errors ?? [], [])
  assert.equal(verdict.valid, true)
  assert.deepEqual(Object.keys(document.paths).sort(), [...PATHS].sort())
  assert.deepEqual(
    Object.entries(document.paths)
      .filter(([, item]) => JSON.stringify(item).includes('"security":[]'))
      .map(([path]) => path)
      .sort(),
    ['/health', '/proof', '/ready'],
  )
})

test('plain reads answer what the node says', async () => {
  await using control = await startControl()
  const peers = [{ peer: PEER, connections: [], protocols: ['/ipfs/ping/1.0.0'] }]
  const read = async (path: string) => (await ask(`${control.api}${path}`)).json
  const { activity: _, ...status } = (await read('/v1/status')) as Record<string, unknown>
  assert.deepEqual(status, STATUS)
  assert.deepEqual(await read('/v1/peers'), peers)
  assert.deepEqual(await read('/debug/peers'), { peers, resources: RESOURCES })
  assert.deepEqual(await read('/v1/config'), { toml: '[network]\nname = "main"\n' })
  assert.deepEqual(await read('/v1/services'), [])
})

test('the identity of a peer is read by its id, with the key as hex and IPv6 apart', async () => {
  await using control = await startControl()
  const { status, json } = await ask(`${control.api}/v1/peers/${PEER}/identity`)
  assert.equal(status, 200)
  assert.deepEqual(json, {
    peer: PEER,
    identity: {
      publicKey: '07'.repeat(32),
      ipv6Endpoints: ['[2001:db8::1]:9000'],
      endpoints: ['/ip6/2001:db8::1/tcp/9000'],
      capabilities: ['dht:server'],
      lastSeenMs: 1_000,
    },
    answered: [PEER],
    failed: [],
    complete: true,
  })
  const wrong = await ask(`${control.api}/v1/peers/nobody/identity`)
  assert.deepEqual([wrong.status, codeOf(wrong)], [400, 'IDENTITY_PEER_ID_INVALID'])
})

test('GET /debug/dht shows the routing table, and only to whoever has the token', async () => {
  await using control = await startControl()
  const { json } = await ask(`${control.api}/debug/dht`)
  assert.deepEqual(json, { peer: PEER, buckets: [{ sharedBits: 3, peers: [PEER] }] })
  assert.equal((await ask(`${control.api}/debug/dht`, { token: null })).status, 401)
})

test('connect, ping and disconnect hand their target to the node', async () => {
  await using control = await startControl()
  const address = '/ip4/127.0.0.1/tcp/9000'
  const connected = await ask(`${control.api}/v1/peers`, post({ target: address }))
  assert.deepEqual(connected.json, { peer: PEER })
  const pinged = await ask(`${control.api}/v1/peers/${PEER}/ping`, { method: 'POST' })
  assert.deepEqual(pinged.json, { peer: PEER, ms: 1.5 })
  const gone = await ask(`${control.api}/v1/peers/${PEER}`, { method: 'DELETE' })
  assert.deepEqual(gone.json, { done: true })
  assert.deepEqual(
    control.asked.map(({ name, args }) => [name, args[0]]),
    [
      ['connect', address],
      ['ping', PEER],
      ['disconnect', PEER],
    ],
  )
  const wrong = await ask(`${control.api}/v1/peers/nobody/ping`, { method: 'POST' })
  assert.equal(wrong.status, 400)
  assert.equal(codeOf(wrong), 'IDENTITY_PEER_ID_INVALID')
})

test('tools are found by query and called with their arguments, service and peer', async () => {
  await using control = await startControl()
  const found = await ask(`${control.api}/v1/tools?tool=add&service=calc`)
  assert.deepEqual((found.json as { tool: string }[])[0]?.tool, 'add')
  const request = { tool: 'add', args: { a: 2, b: 40 }, service: 'calc', peer: PEER }
  const called = await ask(`${control.api}/v1/call`, post(request))
  assert.equal(called.status, 200)
  assert.equal((called.json as { peer: string }).peer, PEER)
  const [find, call] = control.asked
  assert.deepEqual(find?.args[0], { tool: 'add', service: 'calc' })
  assert.deepEqual(call?.args.slice(0, 2), ['add', { a: 2, b: 40 }])
  assert.ok(call)
  const { service, peer } = call.args[2] as { service: string; peer: string }
  assert.deepEqual({ service, peer }, { service: 'calc', peer: PEER })
})

test('the catalog is listed and called by unique name', async () => {
  await using control = await startControl()
  const listed = await ask(`${control.api}/v1/catalog`)
  assert.equal((listed.json as { name: string }[])[0]?.name, 'calc_add')
  const called = await ask(`${control.api}/v1/catalog/call`, post({ name: 'calc_add' }))
  assert.deepEqual(called.json, { content: [], isError: true })
})

test('services are exposed detached, and withdrawn', async () => {
  await using control = await startControl()
  const spec = { name: 'calc', source: { kind: 'http', url: 'http://127.0.0.1:1/mcp' } }
  const exposed = await ask(`${control.api}/v1/services`, post(spec))
  assert.equal((exposed.json as { detached: boolean }).detached, true)
  const gone = await ask(`${control.api}/v1/services/calc`, { method: 'DELETE' })
  assert.deepEqual(gone.json, { done: true })
  assert.equal(control.services.size, 0)
  for (const name of ['Calc', '-calc', '', 'x'.repeat(64), '../etc']) {
    const wrong = await ask(`${control.api}/v1/services`, post({ ...spec, name }))
    assert.equal(codeOf(wrong), 'CONTROL_REQUEST_INVALID', name)
  }
  const source = { kind: 'http', url: 'file:///etc/passwd' }
  const scheme = await ask(`${control.api}/v1/services`, post({ name: 'calc', source }))
  assert.equal(codeOf(scheme), 'CONTROL_REQUEST_INVALID')
})

test('records are written and read as text or base64', async () => {
  let value = Uint8Array.of(0xff, 0xfe)
  const found = { publisher: PEER, version: 1, answered: [PEER], failed: [] }
  const base = await startControl()
  await using control = await startControl({
    over: { dht: { ...base.node.dht, get: async (key) => ({ key, value, ...found }) } },
  })
  await base.server.stop()
  const url = `${control.api}/v1/dht`
  const put = (body: object) => ask(url, { method: 'PUT', body: JSON.stringify(body) })
  assert.equal((await put({ key: '/word/a', value: 'hé' })).status, 200)
  assert.equal((await put({ key: '/word/a', value: '/w==', encoding: 'base64' })).status, 200)
  const bad = await put({ key: '/word/a', value: 'not base64!', encoding: 'base64' })
  assert.equal(codeOf(bad), 'CONTROL_REQUEST_INVALID')
  assert.deepEqual(
    base.asked.map(({ args }) => Buffer.from(args[1] as Uint8Array).toString('hex')),
    ['68c3a9', 'ff'],
  )
  const read = async (query: string) => {
    const { value: got, encoding } = (await ask(`${url}?${query}`)).json as Record<string, unknown>
    return { got, encoding }
  }
  assert.deepEqual(await read('key=a'), { got: '//4=', encoding: 'base64' })
  value = Uint8Array.of(0x68, 0x69)
  assert.deepEqual(await read('key=a'), { got: 'hi', encoding: 'text' })
  assert.deepEqual(await read('key=a&encoding=base64'), { got: 'aGk=', encoding: 'base64' })
})

test('bad requests are refused with the part and the problem', async () => {
  await using control = await startControl()
  const url = `${control.api}/v1/call`
  const refused = async (asked: Parameters<typeof ask>[1], at = url) => {
    const reply = await ask(at, asked)
    return [reply.status, codeOf(reply)]
  }
  const invalid = [400, 'CONTROL_REQUEST_INVALID']
  assert.deepEqual(await refused(post({})), invalid)
  assert.deepEqual(await refused(post({ tool: 'add', typo: 1 })), invalid)
  assert.deepEqual(await refused(post({ tool: 'add', timeoutMs: 0 })), invalid)
  assert.deepEqual(await refused(post({ tool: 'add', timeoutMs: 1e9 })), invalid)
  assert.deepEqual(await refused({}, `${control.api}/v1/tools?tol=add`), invalid)
  assert.deepEqual(await refused({ method: 'POST', body: '{' }), [400, 'WIRE_MALFORMED'])
  const proto = '{"tool":"add","args":{"__proto__":{"x":1}}}'
  assert.deepEqual(await refused({ method: 'POST', body: proto }), [400, 'WIRE_MALFORMED'])
  const deep = `{"tool":"add","args":{"a":${'['.repeat(100)}${']'.repeat(100)}}}`
  assert.deepEqual(await refused({ method: 'POST', body: deep }), [400, 'WIRE_MALFORMED'])
  const form = { method: 'POST', body: 'tool=add', headers: { 'content-type': 'text/plain' } }
  assert.equal((await refused(form))[1], 'CONTROL_REQUEST_INVALID')
  const { text } = await ask(url, form)
  assert.match(text, /content-type: found .{1,4}text\/plain.{1,4}, wanted application\/json/)
  assert.deepEqual(await refused({}, `${control.api}/nope`), [404, 'CONTROL_ROUTE_UNKNOWN'])
  const badUrl = await refused({}, `${control.api}/v1/peers/%ff`)
  assert.equal(badUrl[1], 'CONTROL_REQUEST_INVALID')
  assert.deepEqual(control.asked, [])
})

test('a peer that is not connected cannot be disconnected from', async () => {
  await using control = await startControl({ over: { peers: async () => [] } })
  const reply = await ask(`${control.api}/v1/peers/${PEER}`, { method: 'DELETE' })
  assert.deepEqual([reply.status, codeOf(reply)], [404, 'CONTROL_PEER_NOT_FOUND'])
  assert.deepEqual(control.asked, [])
})

test('no answer lets a browser take it for something else', async () => {
  await using control = await startControl()
  for (const token of [undefined, null]) {
    for (const path of ['/health', '/v1/status', '/nope']) {
      const asked = token === undefined ? {} : { token }
      const { headers } = await ask(`${control.api}${path}`, asked)
      assert.equal(headers['x-content-type-options'], 'nosniff', path)
    }
  }
})

test('a body is read up to its limit: 1 MiB, and 16 MiB for the arguments of a call', async () => {
  await using control = await startControl()
  const large = post({ tool: 'add', args: { text: 'x'.repeat(2 ** 21) } })
  assert.equal((await ask(`${control.api}/v1/call`, large)).status, 200)
  const target = post({ target: 'x'.repeat(2 ** 20) })
  const peers = await ask(`${control.api}/v1/peers`, target)
  assert.deepEqual([peers.status, codeOf(peers)], [413, 'CONTROL_BODY_TOO_LARGE'])
  const body = `{"tool":"add","args":{"text":"${'x'.repeat(2 ** 24)}"}}`
  const huge = await ask(`${control.api}/v1/call`, { method: 'POST', body }).catch(() => undefined)
  assert.ok(huge === undefined || huge.status === 413)
})

const TestError = defineErrors('TEST', {
  FAILED: { says: (f: { size: bigint }) => `Cannot: ${f.size}`, retryable: true },
})

test('coded errors keep code, facts and verdict; unforeseen ones say where to look', async () => {
  const logged: unknown[] = []
  const log: Logger = { ...silentLog, error: (message, fields) => logged.push(message, fields) }
  let failure: Error = TestError.FAILED({ size: 3n })
  const fail = async () => Promise.reject(failure)
  await using control = await startControl({ log, over: { connect: fail, disconnect: fail } })
  const connect = () => ask(`${control.api}/v1/peers`, post({ target: 'x' }))
  const coded = await connect()
  assert.equal(coded.status, 502)
  assert.deepEqual(coded.json, {
    error: { code: 'TEST_FAILED', message: 'Cannot: 3', facts: { size: '3' }, retryable: true },
  })
  assert.deepEqual(logged, [])
  failure = new TypeError('secret detail')
  const unforeseen = await connect()
  assert.equal(unforeseen.status, 500)
  assert.equal(codeOf(unforeseen), 'CONTROL_INTERNAL')
  assert.doesNotMatch(unforeseen.text, /secret/)
  assert.match(unforeseen.text, new RegExp(String(unforeseen.headers['x-correlation-id'])))
  assert.equal(logged[0], 'request failed')
})

test('an operation ends at its time-out even when the node does not listen', async () => {
  const never = () => new Promise<never>(() => undefined)
  await using control = await startControl({ over: { connect: never } })
  const late = await ask(`${control.api}/v1/peers`, post({ target: 'x', timeoutMs: 20 }))
  assert.deepEqual([late.status, codeOf(late)], [504, BaseError.DEADLINE({ afterMs: 1 }).code])
})

test('a caller that goes away aborts what it asked for', async () => {
  const { promise: begun, resolve: begin } = Promise.withResolvers<AbortSignal>()
  await using control = await startControl({
    over: {
      connect: (_, { signal }) => {
        assert.ok(signal)
        begin(signal)
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        })
      },
    },
  })
  const leave = new AbortController()
  const request = fetch(`${control.api}/v1/peers`, {
    ...post({ target: 'x' }),
    headers: { authorization: `Bearer ${'x'.repeat(43)}`, 'content-type': 'application/json' },
    signal: leave.signal,
  })
  const signal = await begun
  const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
  leave.abort()
  await assert.rejects(request)
  await aborted
})

test('a correlation id is taken when well-formed, made otherwise, and always echoed', async () => {
  await using control = await startControl()
  const echoed = async (given?: string) => {
    const headers: Record<string, string> = given === undefined ? {} : { 'x-correlation-id': given }
    return String((await ask(`${control.api}/health`, { headers })).headers['x-correlation-id'])
  }
  assert.equal(await echoed('job-7.a_B'), 'job-7.a_B')
  for (const given of [undefined, 'x'.repeat(65), 'two words', '{}']) {
    assert.match(await echoed(given), /^[0-9a-f]{32}$/)
  }
  const refused = await ask(`${control.api}/v1/status`, { token: null })
  assert.match(String(refused.headers['x-correlation-id']), /^[0-9a-f]{32}$/)
})

test('an operation runs under its correlation id, however its body arrives', async () => {
  let seen: string | undefined
  const connect = async () => {
    seen = correlationId()
    return PEER
  }
  await using control = await startControl({ over: { connect } })
  const headers = {
    authorization: `Bearer ${TOKEN}`,
    'content-type': 'application/json',
    'x-correlation-id': 'job-7',
  }
  const request = send(`${control.api}/v1/peers`, { method: 'POST', headers })
  const answered = once(request, 'response')
  for (const part of ['{"tar', 'get":', '"x"']) {
    await new Promise((resolve) => request.write(part, resolve))
    await new Promise((resolve) => setImmediate(resolve))
  }
  request.end('}')
  const [response] = (await answered) as [IncomingMessage]
  response.resume()
  assert.equal(seen, 'job-7')
})
