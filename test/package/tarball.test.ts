/**
 * The published package as a stranger meets it: packed, judged by two linters, installed into an
 * empty folder, compiled against, and run on each Node that it promises to run on.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { install, must, nodes, pack, programsOf, run } from './consumer.ts'

const BIN = resolve(import.meta.dirname, '../../node_modules/.bin')
const START_MS = 30_000

const tarball = pack()
const folder = install(tarball)
const temporary = mkdtempSync(join(tmpdir(), 'p2p-package-'))
after(() => rmSync(temporary, { recursive: true, force: true }))

/** Ports of its own, no neighbours on the link, and nothing of the person who runs the test. */
const ALONE = { P2P_NETWORK_MDNS: 'false', NO_COLOR: '1', P2P_DATA: '', HOME: temporary }
const ANY_PORT = [
  '--listen=/ip4/127.0.0.1/tcp/0',
  '--listen=/ip4/127.0.0.1/udp/0/quic-v1',
  '--api-port=0',
  '--mcp-port=0',
]

const programs = programsOf('README.md', 'ts').map((code, i) => ({ name: `readme-${i + 1}`, code }))

function compile(options: Record<string, unknown>): void {
  const compilerOptions = {
    strict: true,
    target: 'es2023',
    lib: ['es2024', 'esnext.disposable'],
    types: ['node'],
    skipLibCheck: true,
    rootDir: 'programs',
    ...options,
  }
  const config = { compilerOptions, include: ['programs'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  must(process.execPath, ['node_modules/typescript/bin/tsc'], { cwd: folder })
}

/** What the guide lets a person save and run as it is. */
const guide = programsOf('docs/start.md', 'js')

mkdirSync(join(folder, 'programs'))
copyFileSync(join(import.meta.dirname, 'doors.ts'), join(folder, 'programs/doors.ts'))
for (const { name, code } of programs) {
  writeFileSync(join(folder, 'programs', `${name}.ts`), code)
}

for (const [i, code] of guide.entries()) writeFileSync(join(folder, `guide-${i + 1}.js`), code)

test('publint and attw find nothing wrong with the tarball', () => {
  must(join(BIN, 'publint'), ['run', '--strict', tarball])
  must(join(BIN, 'attw'), ['--profile', 'esm-only', tarball])
})

test('the tarball carries no tests, scripts, development packages or runtimes', () => {
  const [packed] = JSON.parse(must('npm', ['pack', '--dry-run', '--json', tarball])) as [
    { files: { path: string }[] },
  ]
  const paths = packed.files.map(({ path }) => path)
  assert.deepEqual(
    paths.filter((path) => path.includes('.test.') || path.startsWith('test/')),
    [],
  )
  const json = readFileSync(join(folder, 'node_modules/p2p-foundation/package.json'), 'utf8')
  assert.deepEqual(
    ['"scripts"', '"devDependencies"', '"private"', '"node-', '.ts"'].filter((word) =>
      json.replaceAll('.d.ts"', '').includes(word),
    ),
    [],
  )
  assert.match(json, /"node": ">=22\.19\.0"/)
})

test('strict programs compile against it, as Node and as a bundler resolve it', () => {
  assert.ok(programs.length > 0 && guide.length > 0, 'README and guide show programs')
  compile({ module: 'preserve', moduleResolution: 'bundler', noEmit: true })
  compile({ module: 'nodenext', outDir: 'built' })
})

for (const { version, node } of nodes()) {
  const env = {
    ...process.env,
    ...ALONE,
    PATH: [dirname(node), process.env.PATH].join(delimiter),
  }
  const place = { cwd: folder, env }

  test(`Node ${version} goes through every door`, () => {
    must(node, ['built/doors.js', join(temporary, `doors-${version}`)], place)
  })

  for (const { name } of programs) {
    test(`Node ${version} runs ${name}`, () => void must(node, [`built/${name}.js`], place))
  }

  for (const i of guide.keys()) {
    test(`Node ${version} runs program ${i + 1} of the guide as it is`, () => {
      assert.match(must(node, [`guide-${i + 1}.js`], place), /42/)
    })
  }

  test(`npx p2p on Node ${version} says its version, and nothing else`, () => {
    const { status, stdout, stderr } = run('npx', ['p2p', '--version'], place)
    assert.deepEqual([status, stdout], [0, `${packageVersion()}\n`], stderr)
  })

  test(`p2p on Node ${version} starts, says how it is, and stops`, async () => {
    const p2p = join(folder, 'node_modules/p2p-foundation/bin/p2p.js')
    const data = ['--data', join(temporary, `node-${version}`)]
    const words = [p2p, 'start', '--json', ...data, ...ANY_PORT]
    const child = spawn(node, words, { ...place, stdio: ['ignore', 'pipe', 'pipe'] })
    try {
      let log = ''
      child.stderr.on('data', (chunk: Buffer) => {
        log += chunk.toString()
      })
      const lines = createInterface({ input: child.stdout })
      const signal = AbortSignal.timeout(START_MS)
      const [ready] = (await once(lines, 'line', { signal })) as [string]
      const { peerId } = JSON.parse(ready) as { peerId: string }
      const status = must(node, [p2p, 'status', '--json', ...data], place)
      const said = JSON.parse(status) as { peerId: string; quic: { state: string } }
      assert.deepEqual([said.peerId, said.quic.state], [peerId, 'active'])
      child.kill('SIGTERM')
      assert.deepEqual(await once(child, 'exit'), [0, null], log)
      assert.doesNotMatch(log, /Warning/)
    } finally {
      child.kill('SIGKILL')
    }
  })
}

function packageVersion(): string {
  const file = join(folder, 'node_modules/p2p-foundation/package.json')
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
