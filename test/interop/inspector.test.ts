/** The official MCP inspector's command line, with `p2p mcp` as its server, uses a remote tool. */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { type CliNode, finished, P2P, start, startNode } from '../support/cli.ts'

const EVERYTHING = ['node_modules/@modelcontextprotocol/server-everything/dist/index.js', 'stdio']

test('the inspector lists and calls a remote tool through `p2p mcp`', async () => {
  await using far = await startNode()
  await using near = await startNode([`--bootstrap=${far.address()}`])
  const words = ['expose', '--name=everything', '--json', '--data', far.dataDir]
  const exposed = start([...words, '--', process.execPath, ...EVERYTHING])
  await firstLine(exposed)

  const remote = `everything_get-sum_${far.ready.peerId.slice(-6)}`
  const listed = await inspectUntil(near, remote)
  const tool = listed.tools.find(({ name }) => name === remote)
  assert.ok(tool !== undefined, listed.tools.map(({ name }) => name).join(' '))
  assert.match(tool.description, new RegExp(far.ready.peerId.slice(-6)), 'says whose it is')

  const called = await inspect(near, '--method', 'tools/call', '--tool-name', remote, [
    '--tool-arg',
    'a=2',
    'b=40',
  ])
  assert.match(JSON.stringify(called), /The sum of 2 and 40 is 42/)
  exposed.kill('SIGINT')
})

interface Listed {
  readonly tools: readonly { name: string; description: string }[]
}

async function inspectUntil(node: CliNode, name: string): Promise<Listed> {
  const until = performance.now() + 60_000
  for (;;) {
    const listed = (await inspect(node, '--method', 'tools/list')) as Listed
    const there = listed.tools.some((tool) => tool.name === name)
    if (there || performance.now() > until) return listed
  }
}

async function inspect(node: CliNode, ...words: (string | string[])[]): Promise<unknown> {
  const server = [process.execPath, P2P, 'mcp', '--data', node.dataDir]
  const args = ['node_modules/.bin/mcp-inspector', '--cli', ...server, ...words.flat()]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const { code, stdout, stderr } = await finished(child)
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

async function firstLine(child: ChildProcess): Promise<void> {
  assert.ok(child.stdout !== null)
  const line = once(createInterface({ input: child.stdout }), 'line')
  const ended = once(child, 'exit').then(() => undefined)
  assert.ok((await Promise.race([line, ended])) !== undefined, 'the service is exposed')
}
