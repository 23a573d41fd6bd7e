import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { inspect } from 'node:util'
import { coded } from '../../test/support/expect.ts'
import { answering, type FakeChild, spawning } from '../../test/support/fake-child.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom } from '../base/index.ts'
import { P2PNode, type P2PNodeOptions } from './launched-node.ts'

const KEY = `0x${'5e'.repeat(32)}`
const PEER = '12D3KooWpeer'

/** As a `p2p-node` answers. */
const ANSWERS = {
  health: () => ({ type: 'error', code: 'STDIO_NOT_CONNECTED', message: 'connect first' }),
  connect: () => ({ type: 'ready', peerId: PEER, ethAddress: '0xA1' }),
  send: ({ peerId }: Record<string, unknown>) => {
    return { type: 'delivery', messageId: 'm1', to: peerId, state: 'sent' }
  },
  subscribe: () => ({ type: 'result', v: 2, result: {} }),
  discover: () => ({ type: 'error', code: 'DHT_LOOKUP_FAILED', message: 'no', retryable: true }),
}

function setup(options: P2PNodeOptions = {}, answers: Partial<typeof ANSWERS> = ANSWERS) {
  const children: FakeChild[] = []
  const clock = new FakeClock()
  const node = new P2PNode('agent1', 50_051, KEY, {
    executable: import.meta.filename,
    dataDir: '/data/agent1',
    env: { PATH: '/bin' },
    clock,
    random: seededRandom('launch'),
    spawn: spawning(children, (child) => answering(child, answers)),
    ...options,
  })
  const told: [string, unknown][] = []
  for (const name of ['ready', 'message', 'delivery', 'error', 'log', 'exited'] as const) {
    node.on(name, (payload) => told.push([name, payload]))
  }
  return { node, children, clock, told, last: () => children.at(-1) as FakeChild }
}

/** Stops a node whose process does what it is told. */
async function stopped({ node, last }: ReturnType<typeof setup>): Promise<void> {
  const stopping = node.stop()
  last().exit(0, null)
  await stopping
}

test('the key is in the environment of the process, and nowhere else that anybody sees', async () => {
  const made = setup()
  const { node, children, told } = made
  await node.start()
  await node.connect({ port: 9_100 })
  const { command, args, env } = children[0]?.command ?? assert.fail()
  assert.deepEqual(env, {
    PATH: '/bin',
    P2P_DATA: '/data/agent1',
    PRIVATE_KEY: KEY,
    P2P_CONTROL_GRPC_ADDRESS: '127.0.0.1:50051',
  })
  const seen = [command, ...args, inspect(node, { depth: 9, showHidden: true })]
  seen.push(JSON.stringify(node), JSON.stringify(told), JSON.stringify(children[0]?.heard))
  assert.ok(!seen.join('\n').includes(KEY.slice(2)), seen.join('\n'))
  await stopped(made)
})

test('start() waits for an answer, connect() joins, stop() asks it to end', async () => {
  const made = setup()
  const { node, told, last } = made
  assert.equal(node.state, 'stopped')
  await Promise.all([node.start(), node.start()])
  assert.equal(made.children.length, 1)
  assert.deepEqual([node.state, node.peerId], ['running', undefined])
  const ready = await node.connect({ port: 9_100, bootstrapPeers: ['/ip4/127.0.0.1/tcp/1'] })
  assert.equal(ready.peerId, PEER)
  assert.deepEqual([node.peerId, node.address, node.pid], [PEER, '0xA1', 1])
  const { id: _, ...said } = last().heard.at(-1) ?? {}
  const bootstrapPeers = ['/ip4/127.0.0.1/tcp/1']
  assert.deepEqual(said, { type: 'connect', port: 9_100, bootstrapPeers })
  assert.deepEqual(
    told.map(([name]) => name),
    ['ready'],
  )
  assert.equal(P2PNode.runningAs('agent1', KEY), node)
  assert.equal(P2PNode.runningAs('agent1', ''), undefined)
  await stopped(made)
  assert.equal(P2PNode.runningAs('agent1', KEY), undefined)
  assert.equal(last().heard.at(-1)?.type, 'shutdown')
  assert.equal(node.state, 'stopped')
  await assert.rejects(node.subscribe('t'), coded('CONTROL_LAUNCH_NOT_RUNNING'))
  await node.start()
  assert.equal(made.children.length, 2)
  await stopped(made)
})

test('an answer goes to who asked, what it says of the node to everybody', async () => {
  const made = setup()
  const { node, told, last } = made
  await node.start()
  const answer = await node.command({ type: 'send', peerId: '0xb2', data: 1 })
  assert.equal(answer.type === 'delivery' && answer.to, '0xb2')
  await assert.rejects(node.discover('t'), (error) => {
    assert.ok(coded('DHT_LOOKUP_FAILED')(error))
    return (error as { retryable?: unknown }).retryable === true
  })
  last().say({ type: 'message', from: '0xb2', data: { a: 1 } })
  last().say({ type: 'error', code: 'NET_LOST', message: 'a peer is gone' })
  last().say({ type: 'result', id: 'late', result: 1 })
  assert.deepEqual(
    told.map(([name]) => name),
    ['message', 'error'],
  )
  await stopped(made)
})

test('a process that ends by itself is started again, and joins as before', async () => {
  const made = setup()
  const { node, children, clock, told, last } = made
  await node.start()
  await node.connect({ port: 9_100 })
  await node.subscribe('agent-messages')
  const left = node.command({ type: 'unanswered' })
  children[0]?.exit(null, 'SIGKILL')
  await assert.rejects(left, coded('CONTROL_LAUNCH_OUTCOME_UNKNOWN'))
  await setImmediate()
  const [name, exited] = told.at(-1) ?? []
  assert.equal(name, 'exited')
  const { how, restartInMs } = exited as { how: string; restartInMs: number }
  assert.equal(how, 'it was ended by SIGKILL')
  assert.ok(restartInMs >= 250 && restartInMs <= 500, String(restartInMs))
  assert.equal(node.state, 'restarting')
  await assert.rejects(node.discover('t'), coded('CONTROL_LAUNCH_NOT_RUNNING'))
  await clock.advance(500)
  assert.equal(node.state, 'running')
  assert.deepEqual(
    last().heard.map(({ type, port, topic }) => [type, port ?? topic]),
    [
      ['health', undefined],
      ['connect', 9_100],
      ['subscribe', 'agent-messages'],
    ],
  )
  assert.equal(told.at(-1)?.[0], 'ready')
  await stopped(made)
})

test('pauses grow, and after too many ends in a row it is given up', async () => {
  const made = setup({ restartsMax: 3 })
  const { node, children, clock, told, last } = made
  await node.start()
  for (let run = 1; run <= 4; run += 1) {
    last().exit(1, null)
    await setImmediate()
    if (run <= 3) await clock.advance(30_000)
  }
  const pauses = told.map(([, payload]) => (payload as { restartInMs: number }).restartInMs)
  assert.equal(pauses.length, 4)
  const [first = 0, second = 0, third = 0, last_] = pauses
  assert.ok(first <= 500 && second >= 500 && second <= 1_000 && third >= 1_000, String(pauses))
  assert.equal(last_, null)
  assert.equal(node.state, 'failed')
  assert.equal(children.length, 4)
  assert.equal(clock.waiting, 0)
  await node.stop()
})

test('a run of a minute ends a row of failures', async () => {
  const made = setup({ restartsMax: 1 })
  const { node, clock, last } = made
  await node.start()
  for (let run = 0; run < 3; run += 1) {
    await clock.advance(61_000)
    last().exit(1, null)
    await setImmediate()
    assert.equal(node.state, 'restarting')
    await clock.advance(500)
    assert.equal(node.state, 'running')
  }
  await stopped(made)
})

test('a process that cannot join again is ended, and another one is tried', async () => {
  let isBusy = false
  const busy = { type: 'error', code: 'STDIO_PORT_BUSY', message: 'port 9100 is in use' }
  const connect = () => (isBusy ? (busy as never) : ANSWERS.connect())
  const made = setup({}, { ...ANSWERS, connect })
  const { node, children, clock, told } = made
  await node.start()
  await node.connect({ port: 9_100 })
  isBusy = true
  children[0]?.exit(1, null)
  await setImmediate()
  await clock.advance(500)
  children[1]?.exit(0, null)
  await setImmediate()
  assert.deepEqual((told.at(-1)?.[1] as { how: string } | undefined)?.how, 'port 9100 is in use')
  isBusy = false
  await clock.advance(1_000)
  assert.equal(node.state, 'running')
  assert.equal(children.length, 3)
  await stopped(made)
})

test('a first start that fails says why, and is not repeated', async () => {
  const made = setup({
    spawn: spawning([], (child) => void setImmediate().then(() => refuse(child))),
  })
  const refuse = (child: FakeChild) => {
    child.stderr.emit('data', Buffer.from(`error CONFIG\nkey ${KEY}\n`))
    child.exit(3, null)
  }
  await assert.rejects(made.node.start(), (error: Error) => {
    assert.ok(coded('CONTROL_LAUNCH_FAILED')(error))
    assert.match(error.message, /it exited with code 3.*error CONFIG key 0x\[redacted\]/)
    return !inspect(error).includes(KEY.slice(2))
  })
  assert.equal(made.node.state, 'failed')
  assert.equal(made.clock.waiting, 0)
})

test('a process that says nothing is ended after a minute', async () => {
  const made = setup({}, {})
  const starting = assert.rejects(made.node.start(), coded('CONTROL_LAUNCH_FAILED'))
  await made.clock.advance(60_000)
  made.last().exit(0, null)
  await starting
})

test('what cannot be a name, a port or a key is refused without saying the key', () => {
  const refused = coded('CONTROL_LAUNCH_INVALID')
  const wrong = `0x${'zz'.repeat(32)}`
  assert.throws(
    () => new P2PNode('agent', 0, wrong),
    (error: Error) => refused(error) && !inspect(error).includes('zz'),
  )
  for (const name of ['', '../up', 'a/b', '-n', 'x'.repeat(65)]) {
    assert.throws(() => new P2PNode(name, 0, KEY), refused)
  }
  for (const port of [-1, 65_536, 1.5, Number.NaN]) {
    assert.throws(() => new P2PNode('agent', port, KEY), refused)
  }
})

test('without a folder, an agent has one of its name', () => {
  const { dataDir } = new P2PNode('agent1', 0, '', { env: { P2P_DATA: '/data' } })
  assert.equal(dataDir, '/data/agents/agent1')
})

test('an executable that is not there is told at the start', async () => {
  const { node } = setup({ executable: '/nowhere/p2p-node' })
  await assert.rejects(node.start(), coded('CONTROL_LAUNCH_FAILED'))
})
