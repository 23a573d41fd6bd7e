/** The JSON of the command line, field by field as `docs/contract.md` has it. */

import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { errorOf, p2p, startNode } from '../support/cli.ts'

const FIXTURE = fileURLToPath(new URL('../support/fixture-server.ts', import.meta.url))

/** Each field with what `typeof` says of it; lists and null by name. */
function shapeOf(value: unknown): unknown {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'list'
  if (typeof value !== 'object') return typeof value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, kindOf(item)]))
}

function kindOf(value: unknown): string {
  const shape = shapeOf(value)
  return typeof shape === 'string' ? shape : 'object'
}

test('ready, status, tools and call have the fields of the contract', async () => {
  await using node = await startNode()
  assert.deepEqual(shapeOf(node.ready), {
    event: 'string',
    peerId: 'string',
    listen: 'list',
    api: 'string',
    mcp: 'string',
    grpc: 'null',
    tokenFile: 'string',
    version: 'string',
  })
  assert.deepEqual(shapeOf(await node.json('status')), {
    peerId: 'string',
    ethAddress: 'null',
    words: 'string',
    listen: 'list',
    peers: 'number',
    network: 'string',
    version: 'string',
    health: 'object',
    quic: 'object',
    tunnel: 'object',
    // Beyond the contract.
    reachability: 'object',
    portMapping: 'object',
    uptimeMs: 'number',
    dataDir: 'string',
    activity: 'object',
  })

  const words = ['expose', '--name', 'fixture', '--detach', '--', process.execPath, FIXTURE]
  assert.equal((await node.p2p(...words)).code, 0)
  const [tool] = (await node.json('tools', '--tool', 'add')) as unknown[]
  assert.deepEqual(shapeOf(tool), {
    service: 'string',
    tool: 'string',
    peer: 'string',
    description: 'string',
    idempotent: 'boolean',
    // Beyond the contract: of its definition, for whoever approves it.
    hash: 'string',
  })
  const called = (await node.json('call', 'add', '{"a":2,"b":40}')) as { attempts: unknown[] }
  assert.deepEqual(shapeOf(called), {
    content: 'list',
    structuredContent: 'object',
    peer: 'string',
    attempts: 'list',
  })
  const attempt = { peer: 'string', path: 'string', ms: 'number', code: 'string' }
  assert.deepEqual(called.attempts.map(shapeOf), [attempt])
})

test('an error has the fields of the contract, and names the command that starts this node', async () => {
  const data = join(tmpdir(), `p2p none ${process.pid}`)
  const run = await p2p(['status', '--json', '--data', data])
  assert.deepEqual([run.code, run.stdout], [4, ''])
  assert.deepEqual(shapeOf(errorOf(run)), {
    code: 'string',
    message: 'string',
    facts: 'object',
    retryable: 'boolean',
  })
  const { code, message } = errorOf(run)
  assert.equal(code, 'CONTROL_NODE_UNREACHABLE')
  assert.ok(message.endsWith(`Start it with: bin/p2p start --data '${data}'`), message)
})
