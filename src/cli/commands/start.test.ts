import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ALICE, type Setup, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { CodedError } from '../../base/index.ts'
import type { Daemon, StartOptions } from '../rooms.ts'
import { start } from './start.ts'

const LISTEN = [`/ip6/::1/udp/9001/quic-v1/p2p/${ALICE}`, `/ip4/127.0.0.1/tcp/9000/p2p/${ALICE}`]

/** A start whose node is made of literals; `stop` ends it as Ctrl-C would. */
function starting(
  given: Setup = {},
  daemon: Partial<Daemon> = {},
  ethAddress: string | null = null,
) {
  const controller = new AbortController()
  const asked: StartOptions[] = []
  const seen = { stopped: 0 }
  const counts = { peers: 3, uptimeMs: 61_000 }
  const status = { version: '0.1.0', network: 'main', words: null, ethAddress, ...counts }
  const rooms = {
    async startDaemon(options: StartOptions): Promise<Daemon> {
      asked.push(options)
      return {
        node: { peerId: ALICE, status: () => status as ReturnType<Daemon['node']['status']> },
        api: 'http://127.0.0.1:9002',
        mcp: 'http://127.0.0.1:8545/mcp',
        grpc: '127.0.0.1:50051',
        tokenFile: '/data/api.token',
        listen: LISTEN,
        dataDir: '/data',
        notices: ['port 9000 was busy; took 9003'],
        calls: () => 12,
        served: () => 1,
        async stop() {
          seen.stopped += 1
        },
        ...daemon,
      }
    },
  }
  const made = setup({ ...given, rooms, signal: controller.signal })
  return { ...made, asked, seen, stop: () => controller.abort(), running: start.run(made.context) }
}

test('start --json prints one ready line and nothing else', async () => {
  const { stop, running, stdout, stderr, seen } = starting({ json: true })
  await setImmediate()
  stop()
  await running
  assert.deepEqual(JSON.parse(stdout.text), {
    event: 'ready',
    peerId: ALICE,
    listen: LISTEN,
    api: 'http://127.0.0.1:9002',
    mcp: 'http://127.0.0.1:8545/mcp',
    grpc: '127.0.0.1:50051',
    tokenFile: '/data/api.token',
    version: '0.1.0',
  })
  assert.equal(stdout.text.split('\n').length, 2)
  assert.equal(stderr.text, '')
  assert.equal(seen.stopped, 1)
})

test('start says for which address the node speaks', async () => {
  const { stop, running, stdout } = starting({}, {}, `0x${'5'.repeat(40)}`)
  await setImmediate()
  stop()
  await running
  assert.match(stdout.text, /^Agent +0x5{40}$/m)
})

test('start tells a person all there is to know, with lines to paste', async () => {
  const { stop, running, stdout } = starting()
  await setImmediate()
  stop()
  await running
  for (const says of [
    ALICE,
    'http://127.0.0.1:8545/mcp',
    '127.0.0.1:50051',
    '/data',
    '! port 9000 was busy',
  ]) {
    assert.ok(stdout.text.includes(says), says)
  }
  assert.match(stdout.text, /\n {2}p2p status\n/)
  assert.ok(stdout.text.includes(`p2p start --data /tmp/second --bootstrap ${LISTEN[1]}\n`))
})

test('start hands on what was asked for, and only that', async () => {
  const options = { config: 'my.toml', listen: ['/a', '/b'], apiPort: '0', network: 'lab' }
  const { stop, running, asked } = starting({ options })
  stop()
  await running
  const flags = { config: '/here/my.toml', listen: ['/a', '/b'], apiPort: 0, network: 'lab' }
  const [{ stopAsked, ...rest } = assert.fail('nothing was started')] = asked
  assert.equal(typeof stopAsked, 'function')
  assert.deepEqual(rest, { flags, env: {}, version: '1.2.3' })
})

test('start refuses a bad port before it starts anything', async () => {
  for (const options of [{ apiPort: '65536' }, { grpcPort: 'x' }]) {
    const { running, asked } = starting({ options })
    await assert.rejects(running, coded('CLI_USAGE'))
    assert.deepEqual(asked, [])
  }
})

test('start passes on why a node cannot start', async () => {
  const busy = new CodedError('NET_PORT_BUSY', {}, { says: () => 'taken' })
  const { context } = setup({ rooms: { startDaemon: () => Promise.reject(busy) } })
  await assert.rejects(start.run(context), coded('NET_PORT_BUSY'))
})

test('start ends when a client of its node asks for that', async () => {
  const { running, asked, seen, stderr } = starting()
  await setImmediate()
  asked[0]?.stopAsked?.()
  await running
  assert.deepEqual([seen.stopped, stderr.text], [1, 'Stopped.\n'])
})

test('start gives up on a node that does not stop in time', async () => {
  const { clock, stop, running } = starting({}, { stop: () => new Promise<void>(() => undefined) })
  await setImmediate()
  stop()
  const refused = assert.rejects(running, coded('CLI_STOP_TIMEOUT'))
  await clock.advance(2_500)
  await refused
})

test('start draws a line every second on a terminal, and log lines above it', async () => {
  const { clock, stop, running, stdout, stderr, asked } = starting({ tty: true })
  await setImmediate()
  assert.ok(stdout.text.endsWith('3 peers · 12 calls made · 1 request served · up 1 min 1 s'))
  const before = stdout.text.length
  await clock.advance(1_000)
  assert.ok(stdout.text.length > before)
  const write = asked[0]?.writeLog ?? assert.fail('the log is not ours')
  write('{"level":"info","msg":"hidden"}\n')
  write('{"level":"warn","module":"net","time":"now","msg":"dial failed","code":"X\\u001b[2J"}\n')
  write('no JSON')
  assert.equal(stderr.text, 'warn net dial failed code="X\\u001b[2J"\nno JSON\n')
  stop()
  await running
  assert.equal(clock.waiting, 0)
})

test('start leaves the log alone where nobody looks', async () => {
  const { stop, running, asked } = starting()
  stop()
  await running
  assert.equal(asked[0]?.writeLog, undefined)
})
