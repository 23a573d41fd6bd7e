/** The control API of a node started from the command line, as other programs meet it. */

import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import type { HealthReport } from '../../src/node/index.ts'
import { type CliNode, startNode } from '../support/cli.ts'

let node: CliNode
let token: string

before(async () => {
  node = await startNode()
  token = readFileSync(node.ready.tokenFile, 'utf8').trim()
})
after(() => node[Symbol.asyncDispose]())

/** A plain HTTP request, so that the test chooses every header, `Host` included. */
function get(path: string, headers: Record<string, string> = {}, base = node.ready.api) {
  const url = new URL(path, base)
  return new Promise<{ status: number; body: string; type: string }>((resolve, reject) => {
    const asked = request(url, { headers, timeout: 10_000 }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      response.on('end', () => {
        const type = response.headers['content-type'] ?? ''
        resolve({ status: response.statusCode ?? 0, body, type })
      })
    })
    asked.on('error', reject)
    asked.end()
  })
}

const withToken = () => ({ authorization: `Bearer ${token}` })

test('/health says alive and degraded while there are no peers; /ready says ready', async () => {
  const health = await get('/health')
  assert.equal(health.status, 200)
  const report = JSON.parse(health.body) as HealthReport
  assert.equal(report.alive, true)
  assert.equal(report.status, 'degraded')
  assert.match(report.reasons.join(' '), /no peers/)
  assert.equal((await get('/ready')).status, 200)
})

test('/docs and every file it names come without the token, as its policy allows', async () => {
  const page = await get('/docs')
  assert.equal(page.status, 200)
  assert.match(page.type, /^text\/html/)
  const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path)
  assert.ok(files.length >= 6)
  // `'self'` for scripts and styles: every one of them is a path of this node.
  for (const path of [...files, '/docs/json']) {
    assert.match(path, /^\/docs\//)
    assert.equal((await get(path)).status, 200, path)
  }
  assert.equal((await get('/docs', { host: 'evil.example' })).status, 403)
})

test('what needs no token aside, everything wants it', async () => {
  const closed = ['/metrics', '/debug/peers', '/openapi.json', '/v1/status', '/v1/events']
  for (const path of [...closed, '/nowhere', '/docs/static/']) {
    assert.equal((await get(path)).status, 401, path)
    assert.equal((await get(path, { authorization: 'Bearer wrong' })).status, 401, path)
  }
  assert.equal((await get('/debug/peers', withToken())).status, 200)
  assert.equal((await get('/nowhere', withToken())).status, 404)
})

test('a foreign Host or Origin is refused, with and without the token', async () => {
  for (const path of ['/health', '/metrics', '/openapi.json']) {
    assert.equal((await get(path, { ...withToken(), host: 'evil.example' })).status, 403, path)
    assert.equal((await get(path, { ...withToken(), origin: 'https://evil.example' })).status, 403)
  }
})

test('the MCP gateway stands behind the same guard', async () => {
  const at = new URL(node.ready.mcp)
  assert.equal((await get(at.pathname, {}, at.origin)).status, 401)
  const foreign = { ...withToken(), host: 'evil.example' }
  assert.equal((await get(at.pathname, foreign, at.origin)).status, 403)
})

test('/metrics answers in the form that is asked for, with the six names', async () => {
  const accept = 'application/openmetrics-text; version=1.0.0'
  const open = await get('/metrics', { ...withToken(), accept })
  assert.match(open.type, /^application\/openmetrics-text/)
  assert.ok(open.body.endsWith('# EOF\n'))
  for (const name of [
    'p2p_peers_connected',
    'p2p_dht_records_stored',
    'p2p_bandwidth_bytes',
    'p2p_tunnel_protocol',
    'mcp_requests',
    'mcp_request_duration_seconds',
  ]) {
    assert.match(open.body, new RegExp(`^# TYPE ${name} `, 'm'))
  }
  const text = await get('/metrics', { ...withToken(), accept: 'text/plain' })
  assert.match(text.type, /^text\/plain/)
})

test('/openapi.json is valid OpenAPI 3.0 and lists the routes that there are', async () => {
  const { body } = await get('/openapi.json', withToken())
  const document = JSON.parse(body) as { openapi: string; paths: Record<string, unknown> }
  assert.match(document.openapi, /^3\.0/)
  const { valid, errors } = await new Validator().validate(document)
  assert.ok(valid, JSON.stringify(errors))
  const paths = ['/health', '/ready', '/metrics', '/debug/peers', '/openapi.json', '/v1/status']
  for (const path of paths) assert.ok(path in document.paths, path)
})

test('what guards the node is readable by its user alone', () => {
  for (const file of ['identity.key', 'api.token']) {
    const { mode } = statSync(`${node.dataDir}/${file}`)
    assert.equal(mode & 0o777, 0o600, file)
  }
})
