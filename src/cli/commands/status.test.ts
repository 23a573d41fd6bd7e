import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALICE, BOB, type Setup, setup, unreachable } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { UNREACHED } from '../../../test/support/served-node.ts'
import type { ServedStatus } from '../../control/index.ts'
import { status } from './status.ts'

const found: ServedStatus = {
  peerId: ALICE,
  ethAddress: null,
  words: 'one-two-three',
  listen: ['/ip4/127.0.0.1/tcp/9000'],
  peers: 2,
  network: 'main',
  version: '0.1.0',
  health: { status: 'degraded', reasons: ['no peers: add one'], alive: true, ready: true },
  quic: { state: 'unavailable', reason: 'the addon does not load', remedy: 'Install it' },
  tunnel: { state: 'off' },
  reachability: { ...UNREACHED, verdict: 'private', reason: 'a router is before us' },
  portMapping: { state: 'off', mappings: [] },
  uptimeMs: 65_000,
  dataDir: '/data',
  activity: {
    bytesIn: 1_000,
    bytesOut: 2_000,
    toolsOffered: 5,
    calls: 3,
    served: 4,
    dhtRecords: 6,
    memoryBytes: 100 * 1024 * 1024,
  },
}

test('status prints the shape of the contract', async () => {
  const { context, printed, seen } = setup({ node: { status: async () => found }, json: true })
  await status.run(context)
  assert.deepEqual(printed(), found)
  assert.equal(seen.closed, 1)
})

test('status tells a person who and how the node is, and why', async () => {
  const { context, stdout } = setup({ node: { status: async () => found } })
  await status.run(context)
  assert.match(stdout.text, new RegExp(`Peer id +${ALICE}`))
  assert.match(stdout.text, /QUIC +unavailable: the addon does not load\. Install it/)
  assert.match(stdout.text, /Reached +private: a router is before us/)
  assert.match(stdout.text, /Health +degraded\n +- no peers: add one/)
  assert.match(stdout.text, /1 min 5 s, version 0\.1\.0/)
})

test('status fails with the code of a node that does not run', async () => {
  await assert.rejects(status.run(setup().context), coded('CONTROL_NODE_UNREACHABLE'))
})

/** A node that counts on, until it has been looked at `times` times. */
function watched(times: number, given: Setup = {}) {
  const ends = new AbortController()
  let looks = 0
  const made = setup({
    ...given,
    options: { watch: true, ...given.options },
    signal: ends.signal,
    node: {
      async status() {
        looks += 1
        if (looks === times) setImmediate(() => ends.abort())
        const { activity } = found
        return { ...found, activity: { ...activity, bytesIn: looks * 1_000, served: looks } }
      },
      peers: async () => [{ peer: BOB, protocols: [], connections: [CONNECTION] }],
      ping: async () => 1.5,
    },
  })
  return made
}

const CONNECTION = {
  address: '/ip4/192.0.2.1/tcp/1',
  direction: 'outbound',
  transport: 'quic',
  path: 'direct' as const,
  openedAtMs: 0,
  streams: 1,
} as const

async function run({ context, clock }: ReturnType<typeof watched>, everyMs = 1_000) {
  const done = status.run(context)
  for (let i = 0; i < 50 && !context.signal.aborted; i += 1) await clock.advance(everyMs)
  await done
}

test('status --watch prints one line each time where no terminal is', async () => {
  const made = watched(3)
  await run(made)
  const lines = made.stdout.text.trimEnd().split('\n')
  assert.equal(lines.length, 3)
  assert.match(
    lines[0] ?? '',
    /^1970-01-01T00:16:40Z degraded peers=1 in=0B\/s out=0B\/s offered=5/,
  )
  assert.match(lines[1] ?? '', /in=1000B\/s .*memory=100MiB up=65s$/)
})

test('status --watch --json prints one object each time, with rates and round trips', async () => {
  const made = watched(3, { json: true, options: { every: '2s' } })
  await run(made, 2_000)
  const looks = made.stdout.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object)
  assert.equal(looks.length, 3)
  const shape = { atMs: 1_000_000, perSecond: null }
  assert.deepEqual({ ...looks[0], status: 0, peers: 0 }, { ...shape, status: 0, peers: 0 })
  const { perSecond, peers } = looks[1] as { perSecond: object; peers: object[] }
  assert.deepEqual(perSecond, { bytesIn: 500, bytesOut: 0, calls: 0, served: 0.5 })
  assert.deepEqual(peers, [{ peer: BOB, transports: ['quic'], rttMs: 1.5 }])
})

test('status --watch draws in its place at a terminal', async () => {
  const made = watched(2, { tty: true })
  await run(made)
  const { text } = made.stdout
  const pictures = text.split('\u001b[J')
  assert.equal(pictures.length, 3)
  assert.match(pictures[0] ?? '', /one-two-three · main\n/)
  assert.equal(pictures[1]?.slice(0, 6), '\r\u001b[12A')
  assert.match(pictures[1], /In +1000 B\/s \(1\.95 KiB\)/)
  assert.match(pictures[1], /5 offered · 2 served \(1\.0\/s\) · 3 called \(0\.0\/s\)/)
  assert.match(pictures[1], new RegExp(`${BOB}  quic  1\\.5 ms`))
})

test('status --watch ends with the code of a node that goes away, and refuses a bad pace', async () => {
  const node = { status: () => Promise.reject(unreachable()), peers: async () => [] }
  const gone = setup({ options: { watch: true }, node })
  await assert.rejects(status.run(gone.context), coded('CONTROL_NODE_UNREACHABLE'))
  assert.equal(gone.seen.closed, 1)
  const odd = setup({ options: { watch: true, every: 'often' }, node })
  await assert.rejects(status.run(odd.context), /--every to be a time/)
})
