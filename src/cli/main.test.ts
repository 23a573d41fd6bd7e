import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ALICE, Memory, missing } from '../../test/support/cli-context.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { CodedError } from '../base/index.ts'
import { main } from './main.ts'
import type { Daemon, NodeClient, Rooms } from './rooms.ts'
import type { SignalName, World } from './world.ts'

interface Given {
  readonly node?: Partial<NodeClient>
  readonly rooms?: Partial<Rooms>
  readonly env?: World['env']
  readonly tty?: boolean
  readonly errorTty?: boolean
}

/** A command line in a process of its own, made of literals. */
function running(argv: readonly string[], given: Given = {}) {
  const { node, rooms, env = {}, tty = false, errorTty = tty } = given
  const stdout = new Memory(tty)
  const stderr = new Memory(errorTty)
  const reader = new AbortController()
  const clock = new FakeClock(1)
  const folders: string[] = []
  const starts: string[] = []
  const exits: number[] = []
  let listener: ((name: SignalName) => void) | undefined
  const world: World = {
    argv,
    env,
    cwd: '/here',
    version: '1.2.3',
    program: 'p2p',
    stdin: () => Readable.from([]),
    stdout,
    stderr,
    readerGone: reader.signal,
    clock,
    rooms: missing<Rooms>('room', {
      usualDataDir: async () => '/usual',
      async openClient(dataDir, start) {
        folders.push(dataDir)
        starts.push(start)
        const close = { [Symbol.asyncDispose]: async () => undefined }
        return missing<NodeClient>('node', { ...node, ...close })
      },
      ...rooms,
    }),
    onSignal(listen) {
      listener = listen
      return () => {
        listener = undefined
      }
    },
    exit: (code) => exits.push(code),
  }
  const code = main(world)
  const signal = (name: SignalName) => listener?.(name)
  const listens = () => listener !== undefined
  const leave = () => reader.abort()
  return { code, leave, clock, stdout, stderr, folders, starts, exits, signal, listens }
}

const hangs = (options: { signal?: AbortSignal } = {}) =>
  new Promise<never>((_, reject) => {
    options.signal?.addEventListener('abort', () => reject(new TypeError('aborted')))
  })
const fails = (code: string) => () =>
  Promise.reject(new CodedError(code, { a: 1 }, { says: () => 'says why', retryable: true }))

test('a command that is done exits with 0 and leaves no timer and no listener', async () => {
  const { code, clock, stdout, listens } = running(['peers', '--json'], {
    node: { peers: async () => [] },
  })
  assert.equal(await code, 0)
  assert.equal(stdout.text, '[]\n')
  assert.equal(clock.waiting, 0)
  assert.equal(listens(), false)
})

for (const [raised, wanted] of [
  ['CONTROL_NODE_UNREACHABLE', 4],
  ['MCP_TOOL_NOT_FOUND', 5],
  ['ACCESS_DENIED', 6],
  ['MCP_OUTCOME_UNKNOWN', 8],
  ['NODE_DISK_FULL', 9],
] as const) {
  test(`${raised} exits with ${wanted}`, async () => {
    const { code, stdout, stderr } = running(['peers', '--json'], {
      node: { peers: fails(raised) },
    })
    assert.equal(await code, wanted)
    assert.equal(stdout.text, '')
    const error = { code: raised, message: 'says why', facts: { a: 1 }, retryable: true }
    assert.deepEqual(JSON.parse(stderr.text), { error })
  })
}

test('words that make no sense exit with 2, as JSON where that was asked for', async () => {
  const person = running(['statsu'])
  assert.equal(await person.code, 2)
  assert.match(person.stderr.text, /Did you mean status\?/)
  const program = running(['statsu', '--json'])
  assert.equal(await program.code, 2)
  const { error } = JSON.parse(program.stderr.text) as { error: { code: string } }
  assert.equal(error.code, 'CLI_COMMAND_LINE')
})

test('help and version go to standard output, help for lost words to standard error', async () => {
  const help = running(['call', '--help'])
  assert.equal(await help.code, 0)
  assert.match(help.stdout.text, /Usage: p2p call/)
  const none = running([])
  assert.equal(await none.code, 2)
  assert.deepEqual([none.stdout.text, /Usage: p2p/.test(none.stderr.text)], ['', true])
})

test('the data folder is that of --data, else of P2P_DATA, else the usual one', async () => {
  const node = { peers: async () => [] }
  const folder = async (argv: string[], env = {}) => {
    const { code, folders, stdout } = running(['peers', ...argv], { node, env })
    await code
    return [folders[0], /Add one with: (.*) connect/.exec(stdout.text)?.[1]]
  }
  const env = { P2P_DATA: '/from env' }
  assert.deepEqual(await folder(['--data', 'mine'], env), ['/here/mine', 'p2p --data /here/mine'])
  assert.deepEqual(await folder([], env), ['/from env', "p2p --data '/from env'"])
  assert.deepEqual(await folder([]), ['/usual', 'p2p'])
  assert.deepEqual(await folder([], { P2P_DATA: '' }), ['/usual', 'p2p'])
})

test('a client knows the command that starts its very node', async () => {
  const start = async (...argv: string[]) => {
    const { code, starts } = running(['peers', ...argv], { node: { peers: async () => [] } })
    assert.equal(await code, 0)
    return starts
  }
  assert.deepEqual(await start(), ['p2p start'])
  assert.deepEqual(await start('--data', '/usual'), ['p2p start'])
  assert.deepEqual(await start('--data', "it's"), ["p2p start --data '/here/it'\\''s'"])
})

test('an empty --data is not the folder that one is in', async () => {
  const { code, folders, stderr } = running(['peers', '--data', ''])
  assert.equal(await code, 2)
  assert.deepEqual(folders, [])
  assert.match(stderr.text, /--data to be a path/)
})

test('a command that takes too long exits with 7 after its own time or --timeout', async () => {
  for (const [argv, ms] of [
    [[], 10_000],
    [['--timeout', '500ms'], 500],
  ] as const) {
    const { code, clock, stderr } = running(['peers', '--json', ...argv], {
      node: { peers: hangs },
    })
    await clock.advance(ms)
    assert.equal(await code, 7)
    assert.match(stderr.text, new RegExp(`"BASE_DEADLINE".*"afterMs":${ms}\\b`))
  }
})

test('a call waits a little longer for the node’s own verdict on the time', async () => {
  const call = (_: unknown, options = {}) => hangs(options)
  const { code, clock, stderr } = running(['call', 'x', '--timeout', '1s'], { node: { call } })
  await clock.advance(2_999)
  assert.equal(stderr.text, '')
  await clock.advance(1)
  assert.equal(await code, 7)
})

test('a bad --timeout is refused before anything else', async () => {
  const { code, folders } = running(['peers', '--timeout', 'soon'])
  assert.equal(await code, 2)
  assert.deepEqual(folders, [])
})

for (const [name, wanted] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${name} ends a command that waits with ${wanted}`, async () => {
    const { code, signal, stderr } = running(['peers'], { node: { peers: hangs } })
    await setImmediate()
    signal(name)
    assert.equal(await code, wanted)
    assert.match(stderr.text, /CLI_INTERRUPTED/)
  })
}

function daemon(stop: () => Promise<void>): Partial<Rooms> {
  const status = { version: '1', network: 'main', words: null, ethAddress: null, peers: 0 }
  return {
    startDaemon: async () =>
      missing<Daemon>('daemon', {
        node: { peerId: ALICE, status: () => status as ReturnType<Daemon['node']['status']> },
        api: 'http://127.0.0.1:9002',
        mcp: null,
        grpc: null,
        tokenFile: '/usual/api.token',
        listen: [],
        dataDir: '/usual',
        notices: [],
        stop,
      }),
  }
}

test('start that is told to stop exits with 0', async () => {
  const { code, signal } = running(['start', '--json'], { rooms: daemon(async () => undefined) })
  await setImmediate()
  signal('SIGINT')
  assert.equal(await code, 0)
})

test('a second signal ends the process at once, but not one of the same press', async () => {
  const rooms = daemon(() => new Promise<void>(() => undefined))
  const { code, clock, signal, exits } = running(['start', '--json'], { rooms })
  await setImmediate()
  signal('SIGINT')
  signal('SIGINT')
  assert.deepEqual(exits, [])
  await clock.advance(200)
  signal('SIGINT')
  assert.deepEqual(exits, [130])
  await clock.advance(2_500)
  assert.equal(await code, 10)
})

test('colours are for a terminal whose owner wants them', async () => {
  const node = { connect: async () => ALICE }
  const colored = async (argv: string[], given: Given) => {
    const { code, stdout } = running(['connect', '/a', ...argv], { node, ...given })
    await code
    return stdout.text.includes('\u001b[')
  }
  assert.equal(await colored([], { tty: true }), true)
  assert.equal(await colored([], {}), false)
  assert.equal(await colored(['--no-color'], { tty: true }), false)
  assert.equal(await colored([], { tty: true, env: { NO_COLOR: '1' } }), false)
})

test('an error is coloured where standard error is a terminal, whatever standard output is', async () => {
  const node = { peers: fails('NET_CONNECT_FAILED') }
  const escapes = async (given: Given) => {
    const { code, stderr } = running(['peers'], { node, ...given })
    await code
    return stderr.text.includes('\u001b')
  }
  assert.equal(await escapes({ tty: true, errorTty: false }), false)
  assert.equal(await escapes({ tty: false, errorTty: true }), true)
  assert.equal(await escapes({ tty: true, env: { NO_COLOR: '1' } }), false)
  assert.equal(await escapes({ tty: true, env: { TERM: 'dumb' } }), false)
})

test('what only shows things ends with 0 when nobody reads it any more', async () => {
  async function* silent({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<never> {
    yield await hangs({ ...(signal && { signal }) })
  }
  const node = { events: silent, status: hangs, peers: hangs }
  for (const argv of [['events'], ['status', '--watch']]) {
    const { code, leave, stderr } = running(argv, { node })
    await setImmediate()
    leave()
    assert.equal(await code, 0, argv.join(' '))
    assert.equal(stderr.text, '')
  }
})
