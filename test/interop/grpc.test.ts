/** Every gRPC method, by clients that nobody here wrote: Debian's python3-grpcio and `buf curl`. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ServiceDefinition } from '@grpc/proto-loader'
import { Emitter } from '../../src/base/index.ts'
import { protos } from '../../src/control/grpc.ts'
import type { ServedAgent } from '../../src/control/served-agent.ts'
import { startNode } from '../support/cli.ts'
import { TOKEN } from '../support/control.ts'
import { startGrpc } from '../support/grpc.ts'
import { OPERATIONS_GIVEN } from '../support/grpc-given.ts'
import { fakeInbox } from '../support/served-inbox.ts'
import { PEER } from '../support/served-node.ts'
import { BUF, bufMissing, pythonStubs } from './grpc/installed.ts'

const ADDRESS = '0x52908400098527886E0F7030069857D2E4169EE7'
const ID = 'ab'.repeat(16)
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

/** The fake node has no grants to give. */
const NOT_FAKED: readonly string[] = ['Grant', 'GrantAccept']
const OF_AGENTS: Readonly<Record<string, object>> = {
  SendMessage: { to: ADDRESS, content: Buffer.from('hi').toString('base64') },
}
const GRANT = { service: 'calc', tool: '*', to: PEER, expiresInSeconds: 60 }
const GIVEN: Readonly<Record<string, object>> = { Grant: GRANT, GrantAccept: { token: 't' } }

/** Each method of both services once, Stop as the last. */
function everyMethod(): readonly Asked[] {
  const known = protos()
  const rows = ['p2p_foundation.Node', 'p2p.P2PNode'].flatMap((service) => {
    const methods = Object.entries(known[service] as ServiceDefinition)
    return methods.map(([method, { responseStream }]): Asked => {
      const name = `${method.charAt(0).toLowerCase()}${method.slice(1)}`
      const own = service === 'p2p_foundation.Node' ? OPERATIONS_GIVEN[name] : OF_AGENTS[method]
      const like = { exposeAttached: 'expose', callOutput: 'call' }[name] ?? ''
      const request = own ?? OPERATIONS_GIVEN[like] ?? GIVEN[method] ?? {}
      return { service, method, request, take: responseStream ? 1 : null }
    })
  })
  const last = ({ method }: Asked) => (method === 'Stop' ? 1 : 0)
  return rows.toSorted((a, b) => last(a) - last(b))
}

const agent: ServedAgent = {
  address: ADDRESS,
  inbox: fakeInbox().inbox,
  send: async (to) => ({ id: ID, to, state: 'queued', at: 1 }),
  broadcast: async () => ({ id: ID, to: '*', state: 'sent', at: 1 }),
  on: (event: string, listener: (payload: never) => void) => {
    return new Emitter<Record<string, never>>(() => undefined).on(event, listener)
  },
  agents: () => [{ address: ADDRESS, peer: PEER, name: 'one', connectedSince: 5 }],
}

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

/** A method without a sample above may be refused, by a code of ours. */
function mayFail({ service, method, request }: Asked): boolean {
  return service === 'p2p_foundation.Node' && (NOT_FAKED.includes(method) || isEmpty(request))
}

const isEmpty = (request: object) => Object.keys(request).length === 0

function check(asked: Asked, answered: Answered | undefined): void {
  const what = `${asked.service}/${asked.method}: ${JSON.stringify(answered)}`
  if (mayFail(asked) && answered?.answers === undefined) assert.ok(answered?.code, what)
  else assert.equal(answered?.answers?.length, 1, what)
}

test('python3-grpcio calls every method of both services', async () => {
  using stubs = stubsOrFail()
  await using grpc = await startGrpc({ agent })
  const all = everyMethod()
  const answers = await python(grpc.address, stubs.folder, all)
  for (const [i, asked] of all.entries()) check(asked, answers[i])
  const by = new Map(all.map(({ service, method }, i) => [`${service}/${method}`, answers[i]]))
  const first = (path: string) => by.get(path)?.answers?.[0]
  assert.deepEqual(first('p2p.P2PNode/Connect'), { ready: { peerId: PEER, ethAddress: ADDRESS } })
  assert.deepEqual(first('p2p.P2PNode/SendMessage'), { messageId: ID, state: 'queued' })
  const known = { agent_id: ADDRESS, peer_id: PEER, agent_name: 'one', connected_since: '5' }
  assert.deepEqual(first('p2p.P2PNode/ListAgents'), { agents: [known] })
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
  let answered = 0
  for (const asked of everyMethod()) {
    const { service, method, request, take } = asked
    // It reads a stream to its end, which these have only when the caller leaves.
    if (take !== null && method !== 'CallOutput') continue
    const ran = await buf(grpc.address, `${service}/${method}`, request)
    const isFine = ran.code === 0 || (mayFail(asked) && /"code":/.test(ran.stderr))
    assert.ok(isFine, `${service}/${method}: ${ran.stdout} ${ran.stderr}`)
    if (ran.code === 0) answered += 1
    if (method === 'Ping') assert.deepEqual(JSON.parse(ran.stdout), { peer: PEER, ms: 1.5 })
  }
  assert.ok(answered >= 34, `${answered} answered`)
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

test('a node from the command line answers buf on the port that it was given', async () => {
  assert.equal(bufMissing(), undefined)
  await using node = await startNode(['--grpc-port', '0'])
  const { grpc } = JSON.parse(readFileSync(join(node.dataDir, 'node.json'), 'utf8')) as {
    grpc: string
  }
  const token = readFileSync(node.ready.tokenFile, 'utf8').trim()
  const status = await buf(grpc, 'p2p_foundation.Node/Status', {}, { token })
  assert.equal((JSON.parse(status.stdout) as { peerId: string }).peerId, node.ready.peerId)
})

function stubsOrFail() {
  const stubs = pythonStubs()
  return typeof stubs === 'string' ? assert.fail(stubs) : stubs
}
