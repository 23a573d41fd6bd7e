/** What three nodes write about one request that crosses them all, with everything logged. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type CliNode, startNode } from '../support/cli.ts'

const RELAY = fileURLToPath(new URL('../support/relay-server.ts', import.meta.url))
const ARGUMENT = 'argumentMarkerSwordfish'
const RESULTS = ['resultMarkerOfB', 'resultMarkerOfC']
const ENV = { P2P_LOG_LEVEL: 'trace' }

let a: CliNode
let b: CliNode
let c: CliNode
/** Those that run: a set-up that fails must not leave the others behind. */
const running: CliNode[] = []

async function startTalkative(args: readonly string[]): Promise<CliNode> {
  const node = await startNode(args, { env: ENV })
  running.push(node)
  return node
}

before(async () => {
  c = await startTalkative([])
  b = await startTalkative([`--bootstrap=${c.address()}`])
  a = await startTalkative([`--bootstrap=${b.address('udp')}`])
  await expose(c, 'far', { P2P_ANSWER: RESULTS[1] ?? '' })
  await expose(b, 'near', {
    P2P_ANSWER: RESULTS[0] ?? '',
    P2P_API: b.ready.api,
    P2P_TOKEN: tokenOf(b),
  })
})
after(async () => {
  for (const node of running.toReversed()) await node[Symbol.asyncDispose]()
})

function tokenOf(node: CliNode): string {
  return readFileSync(node.ready.tokenFile, 'utf8').trim()
}

async function expose(node: CliNode, name: string, env: Record<string, string>): Promise<void> {
  const variables = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`])
  const command = ['--', process.execPath, RELAY]
  const done = await node.p2p('expose', '--name', name, '--detach', ...variables, ...command)
  assert.equal(done.code, 0, done.stderr)
}

interface Line {
  readonly correlationId?: string
  readonly msg: string
}

function linesOf(node: CliNode): readonly Line[] {
  return node.log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)
}

/** Asks until the tool of B is known at A and that of C at B. */
async function found(node: CliNode, tool: string): Promise<void> {
  for (let i = 0; i < 60; i += 1) {
    const tools = (await node.json('tools', '--tool', tool)) as readonly unknown[]
    if (tools.length > 0) return
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  assert.fail(`${tool} is found within 15 s: ${node.log.slice(-2_000)}`)
}

/** A call through the MCP gateway of A, as an assistant makes it; resolves with its header. */
function callThroughGateway(tool: string): Promise<{ correlation: string; body: string }> {
  const message = {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: tool, arguments: { text: ARGUMENT } },
  }
  const { promise, resolve, reject } = Promise.withResolvers<{
    correlation: string
    body: string
  }>()
  const asked = request(
    a.ready.mcp,
    {
      method: 'POST',
      timeout: 30_000,
      headers: {
        authorization: `Bearer ${tokenOf(a)}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-06-18',
      },
    },
    (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      response.on('end', () => {
        resolve({ correlation: String(response.headers['x-correlation-id']), body })
      })
    },
  )
  asked.on('error', reject)
  asked.end(JSON.stringify(message))
  return promise
}

test('the correlation id of one call is in the logs of all three nodes that it crossed', async () => {
  await found(b, 'answer')
  await found(a, 'relay')
  const suffix = b.ready.peerId.slice(-6)
  const { correlation, body } = await callThroughGateway(`near_relay_${suffix}`)
  for (const marker of RESULTS) assert.ok(body.includes(marker), body)
  assert.match(correlation, /^[0-9a-f]{32}$/)
  for (const [name, node] of Object.entries({ a, b, c })) {
    const lines = linesOf(node).filter(({ correlationId }) => correlationId === correlation)
    assert.ok(lines.length > 0, `${name}: ${node.log.slice(-2_000)}`)
  }
})

test('a call from the command line, one that fails and one without a tool are logged as well', async () => {
  const called = await a.p2p('call', 'relay', JSON.stringify({ text: ARGUMENT }))
  assert.equal(called.code, 0, called.stderr)
  const wrong = await a.p2p('call', 'relay', JSON.stringify({ text: [ARGUMENT] }))
  assert.notEqual(wrong.code, 0)
  const none = await a.p2p('call', 'nothing', JSON.stringify({ text: ARGUMENT }))
  assert.notEqual(none.code, 0)
  assert.equal((await a.p2p('dht', 'put', 'greeting', ARGUMENT)).code, 0)
})

test('no log holds a peer id, a token, a key, or what was said', async () => {
  const secrets: Record<string, string> = { argument: ARGUMENT }
  for (const [i, marker] of RESULTS.entries()) secrets[`result ${i}`] = marker
  for (const [name, node] of Object.entries({ a, b, c })) {
    secrets[`peer id of ${name}`] = node.ready.peerId
    secrets[`token of ${name}`] = tokenOf(node)
    const text = readFileSync(`${node.dataDir}/identity.key`, 'utf8').trim()
    secrets[`key file of ${name}`] = text
    const seed = Buffer.from(text, 'base64').subarray(4, 36)
    const key = Buffer.from(text, 'base64').subarray(36)
    for (const form of ['hex', 'base64', 'base64url'] as const) {
      secrets[`seed of ${name} in ${form}`] = seed.toString(form).replace(/=+$/, '')
      secrets[`public key of ${name} in ${form}`] = key.toString(form).replace(/=+$/, '')
    }
    secrets[`seed of ${name} in numbers`] = [...seed].slice(0, 8).join(', ')
  }
  for (const node of [a, b, c]) await node.kill('SIGTERM')
  for (const [name, node] of Object.entries({ a, b, c })) {
    const modules = new Set(linesOf(node).map((line) => (line as { module?: string }).module))
    assert.ok(
      [...modules].some((module) => module?.startsWith('libp2p')),
      [...modules].join(' '),
    )
    assert.ok(linesOf(node).length > 100, `everything of ${name} is logged`)
    for (const [what, secret] of Object.entries(secrets)) {
      const at = node.log.indexOf(secret)
      assert.equal(at, -1, `${what} in the log of ${name}: ${node.log.slice(at - 300, at + 100)}`)
    }
    assert.doesNotMatch(node.log, /12D3KooW[1-9A-HJ-NP-Za-km-z]{20}/, name)
    assert.doesNotMatch(node.log, /\b0x[0-9a-fA-F]{40}\b/, name)
  }
})
