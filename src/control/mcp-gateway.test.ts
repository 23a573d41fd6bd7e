import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, codeOf, startControl } from '../../test/support/control.ts'

const post = (body: string) => ({ method: 'POST', body })

test('the gateway hands a checked body to the MCP server, at /mcp alone', async () => {
  await using control = await startControl()
  const message = { jsonrpc: '2.0', id: 1, method: 'ping' }
  const answer = await ask(control.mcp, post(JSON.stringify(message)))
  assert.deepEqual(answer.json, { got: message })
  assert.deepEqual((await ask(control.mcp)).json, { got: null })
  const elsewhere = await ask(new URL('/', control.mcp).href)
  assert.deepEqual([elsewhere.status, codeOf(elsewhere)], [404, 'CONTROL_ROUTE_UNKNOWN'])
})

test('the gateway refuses bodies that are no JSON, too deep or too large', async () => {
  await using control = await startControl()
  assert.equal(codeOf(await ask(control.mcp, post('{'))), 'WIRE_MALFORMED')
  const deep = await ask(control.mcp, post(`${'['.repeat(100)}${']'.repeat(100)}`))
  assert.equal(codeOf(deep), 'WIRE_MALFORMED')
  const headers = { 'content-length': String(2 ** 24 + 1) }
  const announced = await ask(control.mcp, { method: 'POST', headers }).catch(() => undefined)
  assert.ok(announced === undefined || announced.status === 413)
  const chunked = { 'transfer-encoding': 'chunked' }
  const huge = await ask(control.mcp, {
    ...post(`"${'x'.repeat(2 ** 24)}"`),
    headers: chunked,
  }).catch(() => undefined)
  assert.ok(huge === undefined || huge.status === 413)
})

test('a face that fails is answered with a code, or cut when it had begun', async () => {
  let began = false
  await using control = await startControl({
    face: {
      async handle(_request, response) {
        if (began) response.writeHead(200)
        if (began) response.write('half')
        throw new TypeError('secret detail')
      },
    },
  })
  const early = await ask(control.mcp)
  assert.deepEqual([early.status, codeOf(early)], [500, 'CONTROL_INTERNAL'])
  assert.doesNotMatch(early.text, /secret/)
  began = true
  await assert.rejects(ask(control.mcp))
})

test('a node without MCP has no gateway', async () => {
  await using control = await startControl({ face: null })
  assert.equal(control.server.mcpUrl, undefined)
})

test('a path names one service, and its peer where somebody chose one', async () => {
  const seen: unknown[] = []
  await using control = await startControl({
    face: {
      async handle(_request, response, _body, place) {
        seen.push(place)
        response.end('{}')
      },
    },
  })
  const peer = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
  for (const path of ['', '/calc', `/calc@${peer}`]) await ask(`${control.mcp}${path}`)
  assert.deepEqual(seen, [undefined, { service: 'calc' }, { service: 'calc', peer }])
  for (const path of ['/', '/Calc', '/a/b', '/calc@', '/..', '/calc@no-peer']) {
    assert.ok((await ask(`${control.mcp}${path}`)).status >= 400, path)
  }
  assert.equal(seen.length, 3)
})
