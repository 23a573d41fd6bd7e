/** Every gRPC method, by clients that nobody here wrote: Debian's python3-grpcio and `buf curl`. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ServiceDefinition } from '@grpc/proto-loader'
import { protos } from '../../src/control/grpc.ts'
import { type CliNode, startNode } from '../support/cli.ts'
import { TOKEN } from '../support/control.ts'
import { startGrpc } from '../support/grpc.ts'
import { OPERATIONS_GIVEN } from '../support/grpc-given.ts'
import { fakeAgent, SENT_ID } from '../support/served-agent.ts'
import { PEER } from '../support/served-node.ts'
import { BUF, bufMissing, pythonStubs } from './grpc/installed.ts'

const ADDRESS = '0x52908400098527886E0F7030069857D2E4169EE7'
const RUN_MS = 60_000

interface Asked {
  readonly service: string
  readonly method: string
  readonly request: object
  /** How many messages of a stream are read; null where there is one answer. */
  readonly take: number | null
}

interface Answered {
  readonly answers?: readonly unknown[]
  readonly status?: string
  readonly code?: string
}

const OF_AGENTS: Readonly<Record<string, object>> = {
  SendMessage: { to: ADDRESS, content: Buffer.from('hi').toString('base64') },
}

/** Each method of both services once, Stop as the last. */
function everyMethod(): readonly Asked[] {
  const known = protos()
  const rows = ['p2p_foundation.Node', 'p2p.P2PNode'].flatMap((service) => {
    const methods = Object.entries(known[service] as ServiceDefinition)
    return methods.map(([method, { responseStream }]): Asked => {
      const name = `${method.charAt(0).toLowerCase()}${method.slice(1)}`
      const own = service === 'p2p_foundation.Node' ? OPERATIONS_GIVEN[name] : OF_AGENTS[method]
      const like = { exposeAttached: 'expose', callOutput: 'call' }[name] ?? ''
      const request = own ?? OPERATIONS_GIVEN[like] ?? {}
      return { service, method, request, take: responseStream ? 1 : null }
    })
  })
  const last = ({ method }: Asked) => (method === 'Stop' ? 1 : 0)
  return rows.toSorted((a, b) => last(a) - last(b))
}

const info = { address: ADDRESS, peer: PEER, name: 'one', connectedSince: 5 }
const agent = fakeAgent((_name, _args, answer) => answer, info)

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function run(command: string, args: readonly string[], input = ''): Promise<Ran> {
  const { promise, resolve } = Promise.withResolvers<Ran>()
  const env = { ...process.env, P2P_TOKEN: TOKEN }
  const options = { env, timeout: RUN_MS, maxBuffer: 64 * 1_024 * 1_024 }
  const child = execFile(command, [...args], options, (error, stdout, stderr) => {
    resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
  })
  child.stdin?.end(input)
  return promise
}

async function python(address: string, folder: string, asked: readonly Asked[]) {
  const script = join(import.meta.dirname, 'grpc', 'client.py')
  const ran = await run('/usr/bin/python3', [script, address, folder], JSON.stringify(asked))
  assert.equal(ran.code, 0, ran.stderr)
  return JSON.parse(ran.stdout) as Answered[]
}

/** What buf is told by the server itself: it has none of our files. */
async function buf(
  address: string,
  method: string,
  request: object,
  { token = TOKEN, reflectWith = token }: { token?: string; reflectWith?: string } = {},
) {
  const header = `authorization: Bearer ${token}`
  const words = ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', '--emit-defaults']
  const reflected = `authorization: Bearer ${reflectWith}`
  const heads = ['--header', header, '--reflect-header', reflected]
  const data = ['--data', JSON.stringify(request), `http://${address}/${method}`]
  return await run(BUF, [...words, ...heads, ...data])
}

test('python3-grpcio calls every method of both services', async () => {
  using stubs = stubsOrFail()
  await using grpc = await startGrpc({ agent })
  const all = everyMethod()
  const answers = await python(grpc.address, stubs.folder, all)
  for (const [i, { service, method }] of all.entries()) {
    const answered = answers[i]
    assert.equal(answered?.answers?.length, 1, `${service}/${method}: ${JSON.stringify(answered)}`)
  }
  const by = new Map(all.map(({ service, method }, i) => [`${service}/${method}`, answers[i]]))
  const first = (path: string) => by.get(path)?.answers?.[0]
  assert.deepEqual(first('p2p.P2PNode/Connect'), { ready: { peerId: PEER, ethAddress: ADDRESS } })
  assert.deepEqual(first('p2p.P2PNode/SendMessage'), { messageId: SENT_ID, state: 'queued' })
  const known = { agent_id: ADDRESS, peer_id: PEER, agent_name: 'one', connected_since: '5' }
  assert.deepEqual(first('p2p.P2PNode/ListAgents'), { agents: [known] })
  const taken = { id: SENT_ID, to: PEER, state: 'queued', at: 1 }
  assert.deepEqual(first('p2p_foundation.Node/MessageSend'), taken)
  const next = first('p2p_foundation.Node/MessageNext') as { message: { data: unknown } }
  assert.deepEqual(next.message.data, { said: 'hello' })
  assert.deepEqual(first('p2p_foundation.Node/Ping'), { peer: PEER, ms: 1.5 })
  // It is stopped once its caller has had time to read the answer.
  while (grpc.stopped() === 0) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(grpc.stopped(), 1)
})

test('python3-grpcio is told by code what it may not', async () => {
  using stubs = stubsOrFail()
  await using grpc = await startGrpc()
  const service = 'p2p.P2PNode'
  const [key, none] = await python(grpc.address, stubs.folder, [
    { service, method: 'Connect', request: { privateKey: '0x11' }, take: 1 },
    { service, method: 'SendMessage', request: { to: ADDRESS }, take: null },
  ])
  assert.deepEqual(key, { status: 'INVALID_ARGUMENT', code: 'CONTROL_KEY_NOT_TAKEN' })
  assert.deepEqual(none, { status: 'FAILED_PRECONDITION', code: 'CONTROL_AGENT_UNAVAILABLE' })
})

test('buf curl learns the services by reflection and calls every method', async () => {
  assert.equal(bufMissing(), undefined)
  await using grpc = await startGrpc({ agent })
  for (const asked of everyMethod()) {
    const { service, method, request, take } = asked
    // It reads a stream to its end, which these have only when the caller leaves.
    if (take !== null && method !== 'CallOutput') continue
    const ran = await buf(grpc.address, `${service}/${method}`, request)
    assert.equal(ran.code, 0, `${service}/${method}: ${ran.stdout} ${ran.stderr}`)
    if (method === 'Ping') assert.deepEqual(JSON.parse(ran.stdout), { peer: PEER, ms: 1.5 })
  }
  const health = await buf(grpc.address, 'grpc.health.v1.Health/Check', { service: 'p2p.P2PNode' })
  assert.deepEqual(JSON.parse(health.stdout), { status: 'SERVING' })
  const wrong = { token: 'x', reflectWith: TOKEN }
  const refused = await buf(grpc.address, 'p2p_foundation.Node/Status', {}, wrong)
  assert.match(refused.stderr, /unauthenticated/)
})

test('buf curl reads streams as they come', async () => {
  assert.equal(bufMissing(), undefined)
  const soon = () => new Promise((resolve) => setTimeout(resolve, 2_000))
  for (const [path, seen] of [
    ['p2p.P2PNode/Connect', /"ready"/],
    ['p2p_foundation.Node/Events', /"health-changed"/],
  ] as const) {
    await using grpc = await startGrpc({ agent })
    const reading = buf(grpc.address, path, {})
    await soon()
    await grpc.server.stop()
    const { stdout } = await reading
    assert.match(stdout, seen, path)
  }
})

/** Where a node of the command line listens for gRPC, and its token. */
function grpcOf({ dataDir, ready }: CliNode): { address: string; token: string } {
  const told = JSON.parse(readFileSync(join(dataDir, 'node.json'), 'utf8')) as { grpc: string }
  return { address: told.grpc, token: readFileSync(ready.tokenFile, 'utf8').trim() }
}

interface Journey {
  readonly sent: { readonly id: string; readonly from: string; readonly state: string }
  readonly heard: unknown
  readonly to: string
  readonly states: readonly string[]
}

test('a message that python3-grpcio sends at one node is told at the other, and its receipts at the first', async () => {
  using stubs = stubsOrFail()
  const env = { P2P_NETWORK_PRESET: 'test', P2P_AGENT_ENABLED: 'true' }
  await using alice = await startNode(['--grpc-port', '0'], { env })
  await using bob = await startNode(['--grpc-port', '0', '--bootstrap', alice.address()], { env })
  const script = join(import.meta.dirname, 'grpc', 'messages.py')
  const asked = { from: grpcOf(bob), to: grpcOf(alice), content: 'hello, Alice' }
  const ran = await run('/usr/bin/python3', [script, stubs.folder], JSON.stringify(asked))
  assert.equal(ran.code, 0, `${ran.stderr} ${alice.log} ${bob.log}`)
  const { sent, heard, to, states } = JSON.parse(ran.stdout) as Journey
  const { id, from } = sent
  const told = { id, from, to, content: 'hello, Alice', conversation: 'greeting' }
  assert.deepEqual(heard, told)
  assert.match(from, /^0x[0-9a-fA-F]{40}$/)
  // A reader that was told at once has read it before the first receipt is written.
  const forward = ['queued', 'sent', 'stored', 'delivered', 'read'].filter((each) => {
    return states.includes(each)
  })
  assert.deepEqual([states, states.at(-1)], [forward, 'read'])
})

test('a node from the command line answers buf on the port that it was given', async () => {
  assert.equal(bufMissing(), undefined)
  await using node = await startNode(['--grpc-port', '0'])
  const { address, token } = grpcOf(node)
  const status = await buf(address, 'p2p_foundation.Node/Status', {}, { token })
  assert.equal((JSON.parse(status.stdout) as { peerId: string }).peerId, node.ready.peerId)
})

function stubsOrFail() {
  const stubs = pythonStubs()
  return typeof stubs === 'string' ? assert.fail(stubs) : stubs
}
