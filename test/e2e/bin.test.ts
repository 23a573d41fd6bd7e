/**
 * `bin/p2p` as a process: from any folder, through a link, and started by a Node that is too old.
 *
 * An old Node is made by asking for one that does not exist yet: a copy of the file wants 99, and
 * what it hands over to is a script of ours in the place where npm puts Node.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

const bin = join(import.meta.dirname, '../../bin/p2p')

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'p2p-bin-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A clone with an old Node, and `script` for the newer one; without it, none is there. */
function oldNode(t: TestContext, script?: string): string {
  const root = folder(t)
  mkdirSync(join(root, 'bin'))
  mkdirSync(join(root, 'node_modules/.bin'), { recursive: true })
  const source = readFileSync(bin, 'utf8')
  writeFileSync(join(root, 'bin/p2p'), source.replace('NODE_MAJOR_MIN = 24', 'NODE_MAJOR_MIN = 99'))
  writeFileSync(join(root, 'bin/package.json'), '{ "type": "commonjs" }')
  if (script !== undefined) {
    const node = join(root, 'node_modules/.bin/node')
    writeFileSync(node, `#!${process.execPath}\n${script}\n`)
    chmodSync(node, 0o755)
  }
  return join(root, 'bin/p2p')
}

async function started(file: string, ...args: string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [file, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  assert.ok(child.stdout)
  await once(child.stdout, 'data')
  return child
}

test('p2p runs from any folder and through a link', (t) => {
  const cwd = folder(t)
  symlinkSync(bin, join(cwd, 'link'))
  const { status, stdout } = spawnSync(process.execPath, ['link', '--version'], { cwd })
  assert.equal(status, 0)
  assert.match(String(stdout), /^\d+\.\d+\.\d+\n$/)
})

test('p2p runs in a folder that somebody has removed meanwhile', (t) => {
  const cwd = join(folder(t), 'gone')
  mkdirSync(cwd)
  const words = [process.execPath, bin, 'status', '--data', 'here'].map((word) => `'${word}'`)
  const script = `rmdir '${cwd}' && exec ${words.join(' ')}`
  const { status, stderr } = spawnSync('sh', ['-c', script], { cwd, encoding: 'utf8' })
  assert.equal(status, 4, stderr)
  assert.match(stderr, /^error CONTROL_NODE_UNREACHABLE\n/)
  assert.match(stderr, /gone\/here/)
})

test('p2p exits with the code of what went wrong', () => {
  const { status, stderr } = spawnSync(process.execPath, [bin, 'statsu', '--json'])
  assert.equal(status, 2)
  assert.match(String(stderr), /"code":"CLI_COMMAND_LINE".*Did you mean status/)
})

test('p2p says nothing when the reader of its output goes away', async () => {
  const child = spawn(process.execPath, [bin, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += String(chunk)
  })
  const [code] = (await once(child, 'close')) as [number]
  assert.deepEqual([code, said], [0, ''])
})

test('an old Node hands words, input, output and exit code over', (t) => {
  const script = `
    process.stdin.pipe(process.stdout)
    process.stdin.on('end', () => {
      console.log(JSON.stringify([process.env.P2P_HANDED_OVER, ...process.argv.slice(3)]))
      process.exitCode = 7
    })`
  const { status, stdout } = spawnSync(process.execPath, [oldNode(t, script), 'a b', '--x', ''], {
    input: 'in\n',
  })
  assert.equal(status, 7)
  assert.equal(String(stdout), 'in\n["1","a b","--x",""]\n')
})

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  test(`an old Node passes ${name} on and waits for the end`, async (t) => {
    const script = `
      process.on('${name}', () => process.exit(5))
      setInterval(() => undefined, 1000)
      console.log('up')`
    const child = await started(oldNode(t, script))
    child.kill(name)
    assert.deepEqual(await once(child, 'exit'), [5, null])
  })
}

test('an old Node ends by the signal that ended the newer one', (t) => {
  const file = oldNode(
    t,
    "process.kill(process.pid, 'SIGKILL'); setInterval(() => undefined, 1000)",
  )
  assert.equal(spawnSync(process.execPath, [file]).signal, 'SIGKILL')
})

test('the newer Node is asked to stop when the old one is killed', async (t) => {
  const root = folder(t)
  const notes = join(root, 'notes')
  const script = `
    const { appendFileSync } = require('node:fs')
    const lifeline = new (require('node:net').Socket)({ fd: 3, readable: true })
    lifeline.on('end', () => { appendFileSync(${JSON.stringify(notes)}, 'end'); process.exit() })
    lifeline.resume()
    console.log('up')`
  const child = await started(oldNode(t, script))
  child.kill('SIGKILL')
  await once(child, 'close')
  assert.equal(readFileSync(notes, 'utf8'), 'end')
})

test('a node that was handed over to stops when the pipe to the old Node ends', async (t) => {
  const child = spawn(
    process.execPath,
    [bin, 'start', '--preset', 'test', '--json', '--data', join(folder(t), 'data')],
    {
      env: { ...process.env, P2P_HANDED_OVER: '1' },
      stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
    },
  )
  assert.ok(child.stdout)
  await once(child.stdout, 'data')
  child.stdio[3]?.destroy()
  assert.deepEqual(await once(child, 'exit'), [0, null])
})

test('output that cannot be written ends with 9', (t) => {
  const out = openSync('/dev/full', 'w')
  t.after(() => closeSync(out))
  const { status, stderr } = spawnSync(process.execPath, [bin, '--help'], {
    stdio: ['ignore', out, 'pipe'],
  })
  assert.equal(status, 9)
  assert.match(String(stderr), /Cannot write the output: ENOSPC/)
})

test('an old Node without a newer one says what to do and exits with 9', (t) => {
  const { status, stderr } = spawnSync(process.execPath, [oldNode(t), 'status'])
  assert.equal(status, 9)
  assert.match(String(stderr), /wanted 99 or later\. Run "npm install"/)
})

test('a Node that was handed over to and is too old itself does not hand over again', (t) => {
  const { status } = spawnSync(process.execPath, [oldNode(t, 'process.exit(0)')], {
    env: { ...process.env, P2P_HANDED_OVER: '1' },
  })
  assert.equal(status, 9)
})
