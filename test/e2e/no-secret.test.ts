/**
 * Secrets of an agent, looked for wherever others may look: what its processes were called with,
 * say, log, tell and count, how they crash, and what they leave on disk. In every form that bytes
 * are commonly written in.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { inspect } from 'node:util'
import { systemSpawn } from '../../src/control/launch-process.ts'
import { P2PNode, type P2PNodeOptions } from '../../src/control/launcher.ts'
import { p2p, startNode } from '../support/cli.ts'

/** No repetitions, so that no part of it is found by chance. */
const KEY = '8f3c1e7a94d2605bb61f0e8d7c43a2951d6e0f9b38c74a5e2b90d1f7638ca4e5'
/** Addresses of chains carry keys of their own in their path. */
const RPC_SECRET = 'Zk4vQ9rT2mX7pL1sW8dN'
const RPC_URL = `http://127.0.0.1:9/v2/${RPC_SECRET}`
const NAMED = `0x${KEY}`
/** Of that key: it was read, and used. */
const ADDRESS = '0x3D6464e618f98C9A5122534B240c399E188a1fb8'

let home = ''
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'p2p-no-secret-'))
})
after(() => rm(home, { recursive: true, force: true }))

/** Any of these in a text is the secret, or enough of it. */
function formsOf(hex: string): readonly string[] {
  const bytes = Buffer.from(hex, 'hex')
  const list = [...bytes].join(',')
  const base64 = bytes.toString('base64').slice(0, 40)
  const half = hex.slice(0, 24)
  const number = BigInt(`0x${hex}`).toString()
  const url = bytes.toString('base64url').slice(0, 40)
  const spaced = inspect(bytes).slice('<Buffer '.length, 80)
  return [half, half.toUpperCase(), hex.slice(-24), base64, url, number, list, spaced, RPC_SECRET]
}

/** Fails with the place and the form, and not with the secret once more. */
function assertClean(where: string, text: string): void {
  const plain = text.replaceAll(/,\s+/g, ',')
  for (const [i, form] of formsOf(KEY).entries()) {
    assert.ok(!plain.includes(form), `${where} holds a secret in form ${i}`)
  }
}

interface Watched extends AsyncDisposable {
  readonly node: P2PNode
  /** All that its processes wrote so far, and that was told of them. */
  readonly seen: () => string
}

/** A node whose every byte of output is kept. */
function watched(name: string, options: P2PNodeOptions = {}): Watched {
  let seen = ''
  const keep = (bytes: unknown) => {
    seen += String(bytes)
  }
  const env = {
    RPC_URL,
    PATH: process.env.PATH,
    P2P_NETWORK_PRESET: 'test',
    P2P_LOG_LEVEL: 'trace',
    ...options.env,
  }
  const node = new P2PNode(name, 0, NAMED, {
    dataDir: join(home, name),
    ...options,
    env,
    spawn(command) {
      keep([command.command, ...command.args].join(' '))
      const child: ChildProcess = systemSpawn(command)
      child.stdout?.on('data', keep)
      child.stderr?.on('data', keep)
      return child
    },
  })
  for (const event of ['ready', 'message', 'delivery', 'error', 'log', 'exited'] as const) {
    node.on(event, (payload) => keep(inspect(payload, { depth: 9 })))
  }
  return { node, seen: () => seen, [Symbol.asyncDispose]: () => node.stop() }
}

/** The command lines of a process and of all below it. */
function commandLines(pid: number): string {
  const all = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
  const rows = all.split('\n').map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [])
  const family = new Set([String(pid)])
  for (let size = 0; size !== family.size; ) {
    size = family.size
    for (const [, own = '', parent = ''] of rows) if (family.has(parent)) family.add(own)
  }
  const lines = rows.filter(([, own = '']) => family.has(own)).map(([, , , args]) => args)
  assert.ok(lines.length > 0, 'the process is there')
  return lines.join('\n')
}

/** What every file of a folder holds, as text and as bytes in hex. */
async function filesIn(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const texts = await Promise.all(
    files.map(async ({ parentPath, name }) => {
      const bytes = await readFile(join(parentPath, name))
      return `${name}\n${bytes.toString('latin1')}\n${bytes.toString('hex')}`
    }),
  )
  return texts.join('\n')
}

test('the forms that are looked for are found where they are', () => {
  const bytes = Buffer.from(KEY, 'hex')
  for (const text of [
    NAMED,
    KEY.toUpperCase(),
    bytes.toString('base64'),
    inspect(bytes),
    RPC_URL,
  ]) {
    assert.throws(() => assertClean('here', `before ${text} after`), /holds a secret/)
  }
  assert.throws(() => assertClean('here', JSON.stringify(bytes.toJSON())), /holds a secret/)
  assert.throws(() => assertClean('here', [...bytes].join(',\n  ')), /holds a secret/)
})

test('a process with a key shows it to nobody: argv, output, events, metrics, API, disk', async () => {
  await using watch = watched('quiet')
  const { node, seen } = watch
  await node.start()
  const { api = '', ethAddress } = await node.connect()
  assert.equal(ethAddress, ADDRESS)
  await node.subscribe('agent-messages')
  await node.command({ type: 'send', peerId: node.peerId, data: { text: 'hello' } })
  await assert.rejects(node.command({ type: 'send', peerId: 'nobody', data: NAMED.length }))
  await assert.rejects(node.command({ type: 'no-such-thing' }))
  const answers = await Promise.all(
    ['status', 'health', 'config', 'metrics', 'debugPeers', 'debugDht', 'services'].map((type) =>
      node.command({ v: 2, type }).catch((error: unknown) => error),
    ),
  )
  assert.ok(
    answers.some((answer) => inspect(answer).includes('p2p_')),
    'metrics were read',
  )
  const ready = await (await fetch(`${api}/ready`)).text()
  assertClean('the command line', commandLines(node.pid ?? 0))
  assertClean('an answer', inspect(answers, { depth: 9, maxStringLength: null }) + ready)
  await node.stop()
  assert.match(seen(), /hello/)
  assert.match(seen(), /"level":"(?:trace|debug)"/)
  assertClean('the output', seen())
  assertClean('the object', inspect(node, { depth: 9, showHidden: true }) + JSON.stringify(node))
  assertClean('the data folder', await filesIn(join(home, 'quiet')))
})

/** What makes a process crash at SIGUSR2, with a report in this folder. */
async function bombed(reports: string): Promise<{ readonly NODE_OPTIONS: string }> {
  const bomb = join(home, 'bomb.mjs')
  await mkdir(reports)
  // Beside the node's own code, as a fault of it would be.
  const code = "process.report.writeReport(); throw new TypeError('bomb')"
  await writeFile(bomb, `process.on('SIGUSR2', () => { ${code} })\n`)
  return { NODE_OPTIONS: `--import=${bomb} --report-directory=${reports}` }
}

test('a crash tells where, and no key, and its diagnostic report has none', async () => {
  const reports = join(home, 'reports')
  const env = await bombed(reports)
  await using watch = watched('crashing', { env, restartsMax: 0 })
  const { node, seen } = watch
  const exited = new Promise<string>((resolve) => node.on('exited', ({ how }) => resolve(how)))
  await node.start()
  await node.connect()
  process.kill(node.pid ?? 0, 'SIGUSR2')
  assert.match(await exited, /exited with code [1-9]/)
  assert.match(seen(), /bomb/)
  assertClean('the output of a crash', seen())
  const crash = await filesIn(reports)
  assert.match(crash, /"environmentVariables"/)
  assertClean('the diagnostic report', crash)
})

test('a key that is none is refused without being shown', async () => {
  const file = join(home, 'wrong.env')
  await writeFile(file, `PRIVATE_KEY=${NAMED}00\nRPC_URL=${RPC_URL}\n`, { mode: 0o600 })
  const env = { P2P_NETWORK_PRESET: 'test', P2P_AGENT_ENABLED: 'true' }
  const data = join(home, 'refused')
  const wrong = { ...env, PRIVATE_KEY: `${NAMED}00`, RPC_URL }
  const { code, stdout, stderr } = await p2p(['start', '--json', '--data', data], { env: wrong })
  assert.notEqual(code, 0)
  assertClean('the refusal of p2p', stdout + stderr)
  const P2P_DATA = join(home, 'refused-too')
  const { output } = spawnSync(process.execPath, ['bin/p2p-node', '-e', file], {
    env: { ...env, PATH: process.env.PATH, P2P_DATA },
    input: '{"type":"connect"}\n',
    encoding: 'utf8',
    timeout: 30_000,
  })
  assert.match(output.join('\n'), /"type":"error"/)
  assertClean('the refusal of p2p-node', output.join('\n'))
})

test('p2p start with a key says it nowhere', async () => {
  const env = { PRIVATE_KEY: NAMED, RPC_URL, P2P_LOG_LEVEL: 'trace', P2P_AGENT_ENABLED: 'true' }
  await using node = await startNode(['--preset', 'test'], { env })
  const told = await Promise.all(
    ['status', 'config', 'peers'].map((what) => node.p2p('--json', what)),
  )
  assert.match(told.map(({ stdout }) => stdout).join('\n'), new RegExp(ADDRESS))
  assertClean('the command line', commandLines(node.child.pid ?? 0))
  assertClean('what commands print', told.map(({ stdout, stderr }) => stdout + stderr).join('\n'))
  await node.kill('SIGTERM')
  assertClean('the log', node.log)
  assertClean('the data folder', await filesIn(node.dataDir))
})

test('a crash of p2p start has no secret in its report, wherever its key was', async () => {
  const reports = join(home, 'reports-of-start')
  const places = { P2P_AGENT_ETH_KEY: 'env:OWN_KEY', P2P_EVM_RPC_URL: 'env:OWN_CHAIN' }
  const secrets = { PRIVATE_KEY: NAMED, RPC_URL, OWN_KEY: NAMED, OWN_CHAIN: RPC_URL }
  const env = { ...(await bombed(reports)), ...places, ...secrets, P2P_AGENT_ENABLED: 'true' }
  await using node = await startNode(['--preset', 'test'], { env })
  const { stdout } = await node.p2p('--json', 'status')
  assert.match(stdout, new RegExp(ADDRESS))
  await node.kill('SIGUSR2')
  assert.match(node.log, /bomb/)
  assertClean('the output of a crash', node.log)
  const crash = await filesIn(reports)
  assert.match(crash, /"environmentVariables"/)
  assertClean('the diagnostic report', crash)
})
