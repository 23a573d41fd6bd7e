/**
 * The pages of `docs/security` say which test stands behind which defence: that they are there is
 * checked here, and what a test of one room cannot see: what the whole program never does.
 */

import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { UriTemplate } from '@modelcontextprotocol/server'

const TOOLS = 'docs/security/tools.md'
const AGENTS = 'docs/security/agents.md'

/** What each list of attacks must speak of. */
const SPOKEN_OF: Readonly<Record<string, readonly string[]>> = {
  [TOOLS]: [
    'GHSA-w48q-cv73-mx4w',
    'GHSA-345p-7cg4-v4c7',
    'CVE-2025-49596',
    'CVE-2025-54136',
    'CVE-2025-6514',
    'CVE-2026-0621',
    'CVE-2026-41242',
    'CVE-2024-37168',
    'CVE-2023-44487',
    'CVE-2024-27983',
    'CVE-2025-8671',
    'DNS rebinding',
    'CSRF',
    'SSRF',
    'path traversal',
    'prototype pollution',
    'JSON bombs',
    'session fixation',
    'confused deputy',
    'token passthrough',
    'tool poisoning',
    'rug pull',
    'agent session smuggling',
    'ReDoS',
    'slowloris',
  ],
  [AGENTS]: [
    'replay',
    '121 s',
    'high s',
    'malleability',
    'cross-protocol signatures',
    'two-way binding',
    'pre-key substitution',
    'forward secrecy',
    'ack forgery',
    'amplification',
    'inbox eviction',
    'mailbox theft',
    'Sybil',
    'registry bypass',
    'PRIVATE_KEY',
    'CVE-2023-44487',
    'CVE-2024-37168',
    'prototype pollution',
    'path traversal',
    'a line of 1 GB',
    'JSON bombs',
  ],
}

interface Row {
  readonly number: number
  readonly files: readonly string[]
  readonly tests: readonly (readonly [file: string, title: string])[]
}

function rowsOf(page: string): readonly Row[] {
  return page.split('\n').flatMap((line) => {
    const [, number, , defence = '', tests = ''] = line.split(/(?<!\\)\|/)
    if (number === undefined || !/^ \d+ +$/.test(number)) return []
    return {
      number: Number(number),
      files: [...defence.matchAll(/`([\w./-]+\.(?:ts|json))`/g)].map(([, file = '']) => file),
      tests: [...tests.matchAll(/`([\w./-]+\.test\.ts)` › “(.+?)”(?=<br>|\s*$)/g)].map(
        ([, file = '', title = '']) => [file, title] as const,
      ),
    }
  })
}

const read = (file: string) => readFileSync(file, 'utf8')
const isOurs = (file: string) => !file.includes('node_modules') && !/\.(test|d)\.ts$/.test(file)
const sources = () => globSync('src/**/*.ts').filter(isOurs).sort()
const whereIs = (pattern: RegExp) => sources().filter((file) => pattern.test(code(file)))
/** Without comments, which may speak of anything. */
const code = (file: string) => read(file).replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')

test('each attack of the list has a defence and a test, and they are there', () => {
  for (const page of [TOOLS, AGENTS]) {
    const rows = rowsOf(read(page))
    assert.deepEqual(
      rows.map(({ number }) => number),
      rows.map((_, i) => i + 1),
    )
    assert.ok(rows.length > 30, `${page} has ${rows.length} rows`)
    assert.deepEqual(rows.flatMap(complaintsOf), [], page)
  }
})

function complaintsOf({ number, files, tests }: Row): readonly string[] {
  const gone = [...files, ...tests.map(([file]) => file)].filter((file) => !existsSync(file))
  const untested = tests.filter(([file, title]) => !gone.includes(file) && !hasTest(file, title))
  return [
    ...(files.length === 0 ? [`row ${number} names no file of its defence`] : []),
    ...(tests.length === 0 ? [`row ${number} names no test`] : []),
    ...gone.map((file) => `row ${number}: there is no ${file}`),
    ...untested.map(([file, title]) => `row ${number}: ${file} has no test "${title}"`),
  ]
}

function hasTest(file: string, title: string): boolean {
  // A long title stands in a line of its own.
  const text = read(file).replaceAll(/test\(\s+/g, 'test(')
  return ["'", '"', '`'].some((mark) => text.includes(`test(${mark}${title}${mark}`))
}

test('the list speaks of every kind of attack that it must', () => {
  for (const [file, kinds] of Object.entries(SPOKEN_OF)) {
    const page = read(file).toLowerCase()
    const missing = kinds.filter((one) => !page.includes(one.toLowerCase()))
    assert.deepEqual(missing, [], file)
  }
})

test('the node fetches what its owner named, and nothing that a peer did', () => {
  // The server of a service, the servers of models, and the router of the link (`upnp-http.ts`).
  assert.deepEqual(whereIs(/(?<![.#\w])fetch\(/), [
    'src/mcp/http-source.ts',
    'src/mcp/service-sessions.ts',
    'src/node/standard-tools.ts',
  ])
  assert.deepEqual(whereIs(/getBuiltinModule\('node:https?'\)|from 'node:https'|undici/), [
    'src/control/node-http.ts',
    'src/net/upnp-http.ts',
  ])
})

test('text of strangers becomes JSON in one place', () => {
  // All others read what this program wrote itself, or what its own node says to its own command.
  assert.deepEqual(whereIs(/\bJSON\.parse\(/), [
    'src/access/audit.ts',
    'src/base/version.ts',
    'src/cli/live-line.ts',
    'src/cli/probes.ts',
    'src/control/client.ts',
    'src/control/error-reply.ts',
    'src/control/local-node.ts',
    'src/control/proven-agent.ts',
    'src/control/transport.ts',
    'src/mcp/long-lines.ts',
    'src/mcp/own-result.ts',
    'src/node/tools/inference.ts',
    'src/wire/json.ts',
  ])
})

interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>
}

const lockfile = JSON.parse(read('package-lock.json')) as Lockfile

/** Versions of a package, wherever it lies in the tree. */
function versionsOf(name: string): readonly string[] {
  return Object.entries(lockfile.packages).flatMap(([path, { version }]) =>
    path.endsWith(`node_modules/${name}`) && version !== undefined ? [version] : [],
  )
}

test('gRPC is of one port alone, and no protobuf is made from names of others', () => {
  assert.deepEqual(whereIs(/node:http2/), [])
  // It is loaded by nobody who does not ask for it, and reads no file but our own.
  assert.deepEqual(whereIs(/import\('\.\/grpc\.ts'\)/), ['src/control/control-server.ts'])
  assert.deepEqual(whereIs(/\bloadSync\(/), ['src/control/grpc.ts'])
  for (const name of ['simple-git', 'mcp-remote']) {
    assert.deepEqual(versionsOf(name), [], `${name}: read its advisories before it comes in`)
  }
})

test('the lockfile has no version with a known fault of these', () => {
  for (const [name, least] of [
    ['@modelcontextprotocol/sdk', '1.25.2'],
    ['@modelcontextprotocol/client', '2.3.0'],
    ['@modelcontextprotocol/server', '2.3.0'],
    ['@libp2p/kad-dht', '16.4.5'],
    ['@libp2p/gossipsub', '17.1.1'],
    ['fastify', '5.12.0'],
    ['@grpc/grpc-js', '1.10.9'],
    ['protobufjs', '7.5.6'],
  ] as const) {
    const versions = versionsOf(name)
    assert.ok(versions.length > 0, `${name} is not in the lockfile`)
    for (const version of versions) {
      assert.ok(compare(version, least) >= 0, `${name} ${version} is before ${least}`)
    }
  }
})

function compare(a: string, b: string): number {
  const [x, y] = [a, b].map((one) => one.split('.').map(Number))
  const at = x?.findIndex((part, i) => part !== y?.[i]) ?? -1
  return at < 0 ? 0 : (x?.[at] ?? 0) - (y?.[at] ?? 0)
}

/** So many times what it costs to look at each letter once: going back over commas costs hundreds. */
const LINEAR_MAX = 20

test('a URI of fifty thousand commas is matched at once', () => {
  const linear = best(() => uriOf(50_000).split(','))
  for (const template of ['/files{/path*}', '/files/{path*}', '{?list*}', '/{list,more}{+rest*}']) {
    // The faulty pattern never ended with the long one; with the short one it shows at once.
    for (const commas of [36, 50_000]) {
      for (const end of ['/', '!', '/x/']) {
        const uri = `${uriOf(commas)}${end}`
        const cost = best(() => new UriTemplate(template).match(uri))
        assert.ok(cost < LINEAR_MAX * linear, `${template}, ${commas} commas, ${end}: ${cost} ms`)
      }
    }
  }
})

test('what went back over commas without end would be noticed', () => {
  const linear = best(() => uriOf(50_000).split(','))
  // The pattern of CVE-2026-0621, as it was before it was mended.
  const faulty = /^\/files\/([^/]+(?:,[^/]+)*)$/
  assert.ok(once(() => faulty.test(`${uriOf(36)}/`)) > LINEAR_MAX * linear)
})

function uriOf(commas: number): string {
  return `/files/${','.repeat(commas)}`
}

/** The shortest of three: of what stood in the way meanwhile it says nothing. */
function best(work: () => unknown): number {
  return Math.min(once(work), once(work), once(work))
}

function once(work: () => unknown): number {
  const started = performance.now()
  work()
  return performance.now() - started
}
