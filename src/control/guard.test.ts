import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, codeOf, startControl, TOKEN } from '../../test/support/control.ts'

const hostOf = (url: string) => new URL(url).host
const portOf = (url: string) => new URL(url).port

test('the guard refuses every host that is not its own, whatever the path and token', async () => {
  await using control = await startControl()
  const port = portOf(control.api)
  const foreign = [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1',
    '127.0.0.1:1',
    `127.0.0.1.evil.example:${port}`,
    `127.0.0.2:${port}`,
    `user@127.0.0.1:${port}`,
  ]
  for (const host of foreign) {
    for (const url of [`${control.api}/health`, `${control.api}/v1/status`, control.mcp]) {
      const reply = await ask(url, { headers: { host } })
      assert.equal(reply.status, 403, `${host} ${url}`)
      assert.equal(codeOf(reply), 'CONTROL_HOST_REFUSED')
    }
  }
})

test('the guard takes the three names of loopback with the right port', async () => {
  await using control = await startControl()
  for (const name of ['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]']) {
    const host = `${name}:${portOf(control.api)}`
    assert.equal((await ask(`${control.api}/v1/status`, { headers: { host } })).status, 200, host)
  }
})

test('the guard refuses every web origin but its own', async () => {
  await using control = await startControl()
  const port = portOf(control.api)
  const foreign = [
    'https://evil.example',
    'null',
    `https://127.0.0.1:${port}`,
    'http://127.0.0.1:1',
    `http://127.0.0.1:${port}.evil.example`,
    'file://',
  ]
  for (const origin of foreign) {
    for (const url of [`${control.api}/health`, `${control.api}/v1/status`, control.mcp]) {
      const reply = await ask(url, { headers: { origin } })
      assert.equal(reply.status, 403, `${origin} ${url}`)
      assert.equal(codeOf(reply), 'CONTROL_ORIGIN_REFUSED')
    }
  }
  const own = await ask(`${control.api}/v1/status`, { headers: { origin: control.api } })
  assert.equal(own.status, 200)
})

test('the guard answers without a token on /health and /ready alone', async () => {
  await using control = await startControl()
  for (const path of ['/health', '/ready', '/health?x=1']) {
    assert.equal((await ask(`${control.api}${path}`, { token: null })).status, 200, path)
  }
  const closed = [
    '/metrics',
    '/openapi.json',
    '/debug/peers',
    '/v1/status',
    '/nowhere',
    '/%68ealth',
    '/proof/',
    '/v1/events',
    '/health/',
    '//health',
    '/v1/status?/health',
  ]
  for (const path of closed) {
    const reply = await ask(`${control.api}${path}`, { token: null })
    assert.equal(reply.status, 401, path)
    assert.equal(codeOf(reply), 'CONTROL_TOKEN_MISSING')
    assert.equal(reply.headers['www-authenticate'], 'Bearer')
  }
  for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
    assert.equal((await ask(control.mcp, { token: null, method })).status, 401, method)
  }
})

test('the guard refuses a token that differs in one character, in length or in scheme', async () => {
  await using control = await startControl()
  for (const token of [`${TOKEN.slice(1)}y`, TOKEN.slice(1), `${TOKEN}x`, '0']) {
    for (const url of [`${control.api}/v1/status`, control.mcp]) {
      const reply = await ask(url, { token })
      assert.equal(reply.status, 401)
      assert.equal(codeOf(reply), 'CONTROL_TOKEN_INVALID')
    }
  }
  const headers = { authorization: `Basic ${TOKEN}` }
  const basic = await ask(`${control.api}/v1/status`, { token: null, headers })
  assert.equal(codeOf(basic), 'CONTROL_TOKEN_MISSING')
  const inUrl = await ask(`${control.api}/v1/status?token=${TOKEN}`, { token: null })
  assert.equal(inUrl.status, 401)
})

test('no answer allows another origin to read it', async () => {
  await using control = await startControl()
  const host = hostOf(control.api)
  const preflight = {
    method: 'OPTIONS',
    headers: { host, 'access-control-request-method': 'POST', origin: control.api },
  }
  for (const asked of [preflight, {}]) {
    const { headers } = await ask(`${control.api}/v1/status`, asked)
    assert.equal(headers['access-control-allow-origin'], undefined)
  }
})
