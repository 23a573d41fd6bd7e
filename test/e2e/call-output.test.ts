/**
 * `p2p call --output`: a result of 64 MiB goes from a third-party server behind one node to a file
 * beside another, and neither that node nor the command holds it. Prints what each took at most.
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type CliNode, errorOf, finished, start, startNode } from '../support/cli.ts'
import { eventually } from '../support/nodes.ts'

const FIXTURE = fileURLToPath(new URL('../support/fixture-server.ts', import.meta.url))
const MIB = 1024 * 1024
const LARGE_MIB = 128
/** Of each process, on a machine that has much else to do. */
const SLOW = { timeoutMs: 120_000 }
/** A process that held the result once would take all of it; parts in flight take some. */
const GROWTH_MIB_MAX = 112

/** The most that a process has taken so far, in MiB. */
async function peakMib(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const [, kib] = /^VmHWM:\s+(\d+) kB/m.exec(text) ?? []
  return kib === undefined ? undefined : Math.round(Number(kib) / 1024)
}

async function peakOf(node: CliNode): Promise<number> {
  // What a process took at most is read from /proc; elsewhere only the bytes are looked at.
  if (process.platform !== 'linux') return 0
  const peak = await peakMib(node.child.pid ?? 0)
  assert.ok(peak !== undefined)
  return peak
}

/** Runs the command to its end, looking at what it takes. */
async function callWatched(node: CliNode, ...words: readonly string[]) {
  const child = start(['call', ...words, '--data', node.dataDir])
  child.stdin?.end()
  let peak = 0
  const look = async () => {
    peak = Math.max(peak, (await peakMib(child.pid ?? 0)) ?? 0)
  }
  const looking = setInterval(() => void look(), 10)
  const result = await finished(child, SLOW.timeoutMs)
  clearInterval(looking)
  return { ...result, peak }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

test('a large result goes to a file, and nobody on the way holds it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-output-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const far = stack.use(await startNode([], SLOW))
  const near = stack.use(await startNode([`--bootstrap=${far.address()}`], SLOW))
  const exposed = await far.p2p(
    'expose',
    '--name',
    'fixture',
    '--detach',
    '--',
    process.execPath,
    FIXTURE,
  )
  assert.equal(exposed.code, 0, exposed.stderr)
  const at = ['--service', 'fixture', '--peer', far.ready.peerId]
  await eventually(async () => {
    const { code } = await near.p2p('call', 'add', '{"a":1,"b":1}', ...at)
    return code === 0 ? true : undefined
  })

  const small = join(folder, 'small.json')
  const first = await callWatched(near, 'big', '{"mib":1}', ...at, '--output', small)
  assert.equal(first.code, 0, first.stderr)
  const [nodeMib, commandMib] = [await peakOf(near), first.peak]

  const file = join(folder, 'large.json')
  const words = ['big', `{"mib":${LARGE_MIB}}`, ...at, '--output', file, '--json']
  const large = await callWatched(near, ...words, '--timeout', '100s')
  assert.equal(large.code, 0, large.stderr)
  const told = JSON.parse(large.stdout) as { bytes: number; sha256: string; isError: boolean }
  const grown = { node: (await peakOf(near)) - nodeMib, command: large.peak - commandMib }
  t.diagnostic(
    `${LARGE_MIB} MiB: node ${nodeMib} MiB at most before, ${grown.node} more with it; ` +
      `command ${commandMib} MiB with 1 MiB, ${grown.command} more with it; ` +
      `the node that served it ${await peakOf(far)} MiB`,
  )
  assert.ok(grown.node < GROWTH_MIB_MAX, `the node grew by ${grown.node} MiB`)
  assert.ok(grown.command < GROWTH_MIB_MAX, `the command grew by ${grown.command} MiB`)

  const { size, mode } = await stat(file)
  assert.ok(size > LARGE_MIB * MIB)
  assert.deepEqual([size, mode & 0o777], [told.bytes, 0o600])
  assert.equal(await sha256(file), told.sha256)
  assert.deepEqual((await readdir(folder)).sort(), ['large.json', 'small.json'])

  await writeFile(small, 'mine')
  const refused = await near.p2p('call', 'big', '{"mib":1}', ...at, '--output', small, '--json')
  assert.equal(errorOf(refused).code, 'CLI_OUTPUT_EXISTS')
  assert.equal(await readFile(small, 'utf8'), 'mine')
  const forced = await near.p2p('call', 'big', '{"mib":1}', ...at, '--output', small, '--force')
  assert.equal(forced.code, 0, forced.stderr)
  const printed = await near.p2p('call', 'big', '{"mib":1}', ...at, '--output', '-')
  assert.equal(printed.stdout, await readFile(small, 'utf8'))
  const { content } = JSON.parse(printed.stdout) as { content: { text: string }[] }
  assert.equal(content[0]?.text.length, MIB)
})
