/**
 * What a start loads and what it does not: the frameworks of faces that nobody has used yet are a
 * fifth of an idle node's memory (docs/decisions/0032).
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { must } from './consumer.ts'

const START_MS = 30_000
/** Tells on standard error what was loaded: the files of the bundle, and the parts of Node. */
const TELL = `
  import { registerHooks } from 'node:module'
  const files = []
  registerHooks({ load: (url, context, next) => (files.push(url), next(url, context)) })
  process.on('SIGUSR2', () => {
    const told = { files, parts: process.moduleLoadList }
    process.stderr.write('LOADED ' + JSON.stringify(told) + '\\n')
  })
`
const LATE = {
  'the MCP client': 'src/mcp/sdk-client.ts',
  'the MCP server': 'src/mcp/sdk-server.ts',
  'the HTTP framework': 'node_modules/fastify/fastify.js',
  'the API document': 'node_modules/@fastify/swagger/index.js',
  completion: 'node_modules/@bomb.sh/tab/',
}

test('a start loads neither MCP nor HTTP frameworks; their first use does', async (t) => {
  must(process.execPath, ['scripts/bundle.mjs'])
  const data = mkdtempSync(join(tmpdir(), 'p2p-bundle-'))
  t.after(() => rmSync(data, { recursive: true, force: true }))
  const preload = `data:text/javascript,${encodeURIComponent(TELL)}`
  const words = ['start', '--preset', 'test', '--json', '--data', data, '--api-port=0']
  const child = spawn(process.execPath, ['--import', preload, 'dist/bundle/p2p.js', ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  const signal = AbortSignal.timeout(START_MS)
  const [line] = (await once(createInterface({ input: child.stdout }), 'line', { signal })) as [
    string,
  ]
  const { api, mcp } = JSON.parse(line) as Record<string, string>
  const told = createInterface({ input: child.stderr })
  const loaded = async (): Promise<Loaded> => {
    child.kill('SIGUSR2')
    for (;;) {
      const [text] = (await once(told, 'line', { signal })) as [string]
      if (text.startsWith('LOADED ')) return sourcesOf(text.slice('LOADED '.length))
    }
  }

  const headers = { authorization: `Bearer ${readFileSync(join(data, 'api.token'), 'utf8')}` }
  for (const path of ['/health', '/ready', '/metrics']) {
    assert.equal((await fetch(`${api}${path}`, { headers })).status, 200, path)
  }
  const atStart = await loaded()
  const early = Object.entries(LATE).filter(([, source]) => atStart.has(source))
  assert.deepEqual(early, [])
  assert.equal(
    atStart.parts.some((part) => part.includes('undici')),
    false,
  )

  const status = () => fetch(`${api}/v1/status`, { headers })
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} })
  const accept = 'application/json, text/event-stream'
  const asked = { ...headers, accept, 'content-type': 'application/json' }
  const list = () => fetch(mcp ?? '', { method: 'POST', headers: asked, body })
  const answers = await Promise.all([status(), status(), list(), list()])
  assert.deepEqual(
    answers.map((answer) => answer.status),
    [200, 200, 200, 200],
  )
  const { words: spoken } = (await answers[0].json()) as { words: string }
  assert.equal(spoken.split(' ').length, 3)
  const used = await loaded()
  assert.equal(used.has(LATE['the HTTP framework']), true)
  assert.equal(used.has(LATE['the MCP server']), true)
})

interface Loaded {
  readonly parts: readonly string[]
  has(source: string): boolean
}

/** The bundler's own account says which sources each file of the bundle holds. */
function sourcesOf(text: string): Loaded {
  const { files, parts } = JSON.parse(text) as { files: string[]; parts: string[] }
  const { outputs } = JSON.parse(readFileSync('dist/bundle.meta.json', 'utf8')) as {
    outputs: Record<string, { inputs: object }>
  }
  const names = new Set(files.map((url) => basename(url)))
  const sources = Object.entries(outputs)
    .filter(([file]) => names.has(basename(file)))
    .flatMap(([, { inputs }]) => Object.keys(inputs))
  return { parts, has: (source) => sources.some((each) => each.includes(source)) }
}
