/**
 * Three servers that nobody here wrote, each on a node of its own, used from a fourth in one task:
 * a number from `server-everything` is written to a file by `server-filesystem`, read back, and
 * remembered in the graph of `server-memory`. The assistant is the SDK's client on `p2p mcp`.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { type CliNode, finished, P2P, startNode } from '../support/cli.ts'
import { installed } from './suite.ts'

const EVERYTHING = 'node_modules/@modelcontextprotocol/server-everything/dist/index.js'
const FILESYSTEM = '@modelcontextprotocol/server-filesystem/dist/index.js'
const MEMORY = '@modelcontextprotocol/server-memory/dist/index.js'

interface Said {
  readonly content: readonly { readonly type: string; readonly text?: string }[]
  readonly isError?: boolean
}

test('three servers of others on three nodes do one task for an assistant at a fourth', async (t) => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'p2p-task-')))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await using first = await startNode()
  const joins = [`--bootstrap=${first.address()}`]
  await using second = await startNode(joins)
  await using third = await startNode(joins)
  await using fourth = await startNode(joins)
  const memory = join(folder, 'memory.jsonl')
  await exposed(first, 'everything', [EVERYTHING, 'stdio'])
  await exposed(second, 'files', [installed(FILESYSTEM), folder])
  await exposed(third, 'memory', [installed(MEMORY)], [`--env=MEMORY_FILE_PATH=${memory}`])

  await using client = await assistant(fourth)
  const [sum, write, read, remember, recall] = await client.names([
    `everything_get-sum_${tail(first)}`,
    `files_write_file_${tail(second)}`,
    `files_read_text_file_${tail(second)}`,
    `memory_create_entities_${tail(third)}`,
    `memory_search_nodes_${tail(third)}`,
  ])
  const path = join(folder, 'answer.txt')
  const said = await client.call(sum, { a: 2, b: 40 })
  assert.match(said, /42/)
  await client.call(write, { path, content: said })
  assert.equal(await readFile(path, 'utf8'), said)
  assert.equal(await client.call(read, { path }), said)
  const entities = [{ name: 'answer', entityType: 'number', observations: [said] }]
  await client.call(remember, { entities })
  assert.match(await client.call(recall, { query: 'answer' }), /42/)
  assert.match(await readFile(memory, 'utf8'), /42/)

  const outside = await client.raw(read, { path: '/etc/hostname' })
  assert.equal(outside.isError, true)
  assert.match(JSON.stringify(outside.content), /outside allowed directories/i)
})

test('the inspector speaks with one service whole through `p2p mcp --service`', async () => {
  await using far = await startNode()
  await using near = await startNode([`--bootstrap=${far.address()}`])
  await exposed(far, 'everything', [EVERYTHING, 'stdio'])
  const peer = far.ready.peerId
  const server = [process.execPath, P2P, 'mcp', '--data', near.dataDir]
  const inspect = async (...words: string[]) => {
    const one = ['--service', 'everything', '--peer', peer]
    const args = ['node_modules/.bin/mcp-inspector', '--cli', ...server, ...one, ...words]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const { code, stdout, stderr } = await finished(child)
    assert.equal(code, 0, stderr)
    return stdout
  }
  assert.match(await inspect('--method', 'tools/list'), /"name": "get-sum"/)
  const args = ['--tool-arg', 'a=2', 'b=40']
  const called = await inspect('--method', 'tools/call', '--tool-name', 'get-sum', ...args)
  assert.match(called, /The sum of 2 and 40 is 42/)
  assert.match(await inspect('--method', 'prompts/list'), /simple-prompt/)
  assert.match(await inspect('--method', 'resources/list'), /"uri"/)
})

function tail(node: CliNode): string {
  return node.ready.peerId.slice(-6)
}

async function exposed(
  node: CliNode,
  name: string,
  words: readonly string[],
  options: readonly string[] = [],
): Promise<void> {
  const command = ['--', process.execPath, ...words]
  const { code, stderr } = await node.p2p(
    'expose',
    `--name=${name}`,
    '--detach',
    ...options,
    ...command,
  )
  assert.equal(code, 0, stderr)
}

/** The SDK's own client, with `p2p mcp` of a node as its server. */
async function assistant(node: CliNode) {
  const args = [P2P, 'mcp', '--data', node.dataDir]
  const client = new Client({ name: 'assistant', version: '1' })
  await client.connect(new StdioClientTransport({ command: process.execPath, args }))
  const raw = async (name: string, given: Readonly<Record<string, unknown>>): Promise<Said> => {
    return (await client.callTool({ name, arguments: { ...given } })) as Said
  }
  return {
    raw,
    /** The text that a tool answered; it must not be an error. */
    async call(name: string, given: Readonly<Record<string, unknown>>): Promise<string> {
      const { content, isError } = await raw(name, given)
      assert.notEqual(isError, true, JSON.stringify(content))
      return content.map(({ text = '' }) => text).join('')
    },
    /** The same names, once all of them are listed. */
    async names<const Names extends readonly string[]>(names: Names): Promise<Names> {
      const until = performance.now() + 60_000
      for (;;) {
        const listed = (await client.listTools()).tools.map(({ name }) => name)
        const missing = names.filter((name) => !listed.includes(name))
        if (missing.length === 0) return names
        assert.ok(performance.now() < until, `${missing.join(' ')} not in ${listed.join(' ')}`)
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
}
