import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { stdioNode } from '../../test/support/stdio-node.ts'
import { utf8 } from '../base/index.ts'
import { main, type NodeStart, type StdioWorld } from './stdio.ts'

/** A process with these words and this input; `started` has what its node was told. */
function setup(argv: readonly string[], input: readonly (string | Uint8Array)[] | 'endless') {
  const { running, asked } = stdioNode()
  const events: Record<string, unknown>[] = []
  const started: NodeStart[] = []
  const said: string[] = []
  const ended = new AbortController()
  const clock = new FakeClock()
  async function* stdin() {
    if (input === 'endless') await new Promise(() => {})
    else for (const piece of input) yield typeof piece === 'string' ? utf8(piece) : piece
  }
  const world: StdioWorld = {
    argv,
    env: { RPC_URL: 'http://own' },
    stdin: stdin(),
    stdout: {
      isFull: false,
      write: (line) => void events.push(JSON.parse(line) as Record<string, unknown>),
      onDrain: () => undefined,
    },
    say: (text) => void said.push(text),
    clock,
    ended: ended.signal,
    startNode: async (start) => {
      started.push(start)
      return running
    },
  }
  return { world, events, said, started, asked, ended, running, clock }
}

test('main() runs commands until shutdown, and ends the node', async () => {
  const lines = '{"type":"connect","id":1}\n{"type":"shutdown","id":2}\n'
  const { world, events, started, asked } = setup(['-p', '8000', '-n', 'a'], [lines])
  assert.equal(await main(world), 0)
  assert.deepEqual(
    events.map(({ type }) => type).filter((type) => type !== 'log'),
    ['ready'],
  )
  assert.equal(asked.at(-1)?.name, 'stop')
  const { port, name, env } = started[0] ?? {}
  assert.deepEqual([port, name, env?.P2P_AGENT_NAME], [8_000, 'a', 'a'])
})

test('main() tells a person how it is used, and nothing on standard output', async () => {
  for (const [word, says] of [
    ['--help', /^Usage: p2p-node .*--env-file <file>.*p2p start/s],
    ['-h', /^Usage: /],
    ['--version', /^\d+\.\d+\.\d+\S*\n$/],
  ] as const) {
    const { world, events, said, started } = setup([word], 'endless')
    assert.equal(await main(world), 0)
    assert.match(said.join(''), says)
    assert.deepEqual([events, started], [[], []])
  }
})

test('main() ends with its input, and answers what was asked before', async () => {
  const { world, events, asked } = setup([], ['{"type":"connect","id":1}\n{"type":"fly"', '}'])
  assert.equal(await main(world), 0)
  assert.ok(events.some(({ type }) => type === 'ready'))
  assert.ok(events.some(({ code }) => code === 'PROTOCOL_TYPE_UNKNOWN'))
  assert.equal(asked.at(-1)?.name, 'stop')
})

test('main() sees the end of its input, and shutdown, behind slow commands', async () => {
  const slow = '{"type":"discover","topic":"t"}\n'.repeat(200)
  const shutdown = '{"type":"shutdown","id":"last"}\n'
  for (const last of ['', shutdown]) {
    const lines = ['{"type":"connect"}\n', slow, last]
    const { world, events, running, clock, asked } = setup([], lines)
    Object.assign(running.node.dht, { findReaders: () => new Promise(() => {}) })
    const stdin = last === '' ? world.stdin : heldOpen(world.stdin)
    const run = main({ ...world, stdin })
    for (let i = 0; i < 20; i += 1) await clock.advance(0)
    await clock.advance(1_000)
    assert.equal(await run, 0)
    assert.equal(asked.at(-1)?.name, 'stop')
    const refused = events.filter(({ code }) => code === 'PROTOCOL_STATE_WRONG')
    assert.equal(refused.length, 200, 'all that was asked is answered')
    assert.equal(events.filter(({ id }) => id === 'last').length, last === '' ? 0 : 1)
  }
})

test('main() ends at shutdown though nobody reads its output', async () => {
  const { world, asked, clock } = setup(
    [],
    ['{"type":"connect"}\n', '{"type":"fly"}\n'.repeat(1_100), '{"type":"shutdown"}\n'],
  )
  const stdout = { ...world.stdout, isFull: true }
  const run = main({ ...world, stdin: heldOpen(world.stdin), stdout })
  for (let i = 0; i < 20; i += 1) await clock.advance(0)
  await clock.advance(1_000)
  assert.equal(await run, 0)
  assert.equal(asked.at(-1)?.name, 'stop')
})

/** The same, and never over. */
async function* heldOpen(stdin: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* stdin
  await new Promise(() => {})
}

test('main() ends at a signal, whatever is in work', async () => {
  const { world, ended, events } = setup([], 'endless')
  const run = main(world)
  ended.abort()
  assert.equal(await run, 0)
  assert.deepEqual(events, [])
})

test('main() goes on after a line that is too long', async () => {
  const long = new Uint8Array(2_097_152).fill(0x78)
  const { world, events } = setup([], [long, '\n{"type":"fly","id":5}\n'])
  assert.equal(await main(world), 0)
  assert.deepEqual(
    events.map(({ code, id }) => [code, id]),
    [
      ['PROTOCOL_LINE_TOO_LONG', undefined],
      ['PROTOCOL_TYPE_UNKNOWN', 5],
    ],
  )
})

test('main() says what is wrong with its words and its file, and starts nothing', async () => {
  for (const argv of [['-x'], ['-p', 'many'], ['-e', '/nowhere/.env']]) {
    const { world, events, started } = setup(argv, 'endless')
    assert.equal(await main(world), 2)
    assert.equal(events[0]?.code, 'PROTOCOL_CONFIGURATION', argv.join(' '))
    assert.deepEqual(started, [])
  }
})

test('main() hands the file to the node below its environment, and tells nobody of it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-env-'))
  try {
    const file = join(folder, '.env.agent1')
    const key = `0x${'ab'.repeat(32)}`
    await writeFile(file, `PRIVATE_KEY=${key}\nRPC_URL=http://file\n`, { mode: 0o600 })
    const { world, events, started } = setup(['-e', file], ['{"type":"connect"}\n'])
    assert.equal(await main(world), 0)
    assert.deepEqual([started[0]?.env.PRIVATE_KEY, started[0]?.env.RPC_URL], [key, 'http://own'])
    assert.equal(JSON.stringify(events).includes('abab'), false)
    await writeFile(file, '#'.repeat(70_000))
    const long = setup(['-e', file], 'endless')
    assert.equal(await main(long.world), 2)
    const dir = setup(['-e', folder], 'endless')
    assert.equal(await main(dir.world), 2)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('main() closes a file with a key that others can read, and says so', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-env-'))
  try {
    const file = join(folder, '.env')
    await writeFile(file, 'PRIVATE_KEY=0xabab\n', { mode: 0o644 })
    const { world, events } = setup(['-e', file], ['{"type":"connect"}\n'])
    assert.equal(await main(world), 0)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const warnings = events.filter(({ level }) => level === 'warn')
    assert.match(String(warnings[0]?.message), /PRIVATE_KEY and had mode 644.*: 600 now$/)
    assert.equal(JSON.stringify(events).includes('abab'), false)
    const again = setup(['-e', file], ['{"type":"connect"}\n'])
    assert.equal(await main(again.world), 0)
    assert.equal(again.events.filter(({ level }) => level === 'warn').length, 0)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('main() gives up on a node that does not end', async () => {
  const { world, running, asked, clock } = setup([], ['{"type":"connect"}\n'])
  running.stop = () => new Promise(() => {})
  const run = main(world)
  for (let i = 0; i < 50 && asked.length < 1; i += 1) await clock.advance(0)
  await clock.advance(10_000)
  assert.equal(await run, 10)
})
