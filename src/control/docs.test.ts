import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, codeOf, startControl } from '../../test/support/control.ts'
import { DOCS_PATHS } from './docs.ts'

const TYPES: readonly (readonly [RegExp, RegExp])[] = [
  [/\.css$/, /^text\/css/],
  [/\.js$/, /^(text|application)\/javascript/],
  [/\.png$/, /^image\/png/],
  [/\/json$/, /^application\/json/],
  [/\/docs\/?$/, /^text\/html/],
]

test('the page and every file it names come without a token, each as what it is', async () => {
  await using control = await startControl()
  const page = await ask(`${control.api}/docs`, { token: null })
  assert.equal(page.status, 200)
  const named = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path)
  assert.ok(named.length >= 6, named.join(' '))
  for (const path of [...named, '/docs/', '/docs/json']) {
    assert.ok(DOCS_PATHS.includes(path), path)
    const { status, headers } = await ask(`${control.api}${path}`, { token: null })
    assert.equal(status, 200, path)
    const [, type] = TYPES.find(([pattern]) => pattern.test(path)) ?? assert.fail(path)
    assert.match(String(headers['content-type']), type, path)
    assert.equal(headers['x-content-type-options'], 'nosniff', path)
  }
})

test('the policy of the page allows what came with it, and nothing from elsewhere', async () => {
  await using control = await startControl()
  const { headers, text } = await ask(`${control.api}/docs`, { token: null })
  const policy = String(headers['content-security-policy'])
  assert.match(policy, /default-src 'none'; script-src 'self'; /)
  assert.match(policy, /connect-src 'self'; /)
  assert.match(policy, /frame-ancestors 'none'/)
  assert.doesNotMatch(policy, /unsafe|https?:|\*/)
  assert.doesNotMatch(text, /<script(?![^>]*\bsrc=)|\bon\w+="|\bhttps?:\/\//)
})

test('the page shows the document of the API, with nothing of this node', async () => {
  await using control = await startControl()
  const shown = await ask(`${control.api}/docs/json`, { token: null })
  const { json } = await ask(`${control.api}/openapi.json`)
  assert.deepEqual(shown.json, json)
  assert.doesNotMatch(shown.text, /12D3KooW|\/data/)
})

test('behind /docs nothing else is without a token, and foreign pages get nothing', async () => {
  await using control = await startControl()
  for (const path of [
    '/docs/yaml',
    '/docs/static/',
    '/docs/static/swagger-ui.js',
    '/docs/static/oauth2-redirect.html',
    '/docs/static/..%2f..%2fpackage.json',
    '/docs/../v1/status',
    '/docs/json/',
    '/docs//json',
    '/Docs',
    '/docsx',
  ]) {
    assert.equal((await ask(`${control.api}${path}`, { token: null })).status, 401, path)
  }
  assert.equal((await ask(`${control.api}/docs`, { method: 'POST' })).status, 404)
  const host = await ask(`${control.api}/docs`, { headers: { host: 'evil.example' } })
  assert.equal(codeOf(host), 'CONTROL_HOST_REFUSED')
  const origin = { origin: 'https://evil.example' }
  const foreign = await ask(`${control.api}/docs/json`, { headers: origin })
  assert.equal(codeOf(foreign), 'CONTROL_ORIGIN_REFUSED')
})
