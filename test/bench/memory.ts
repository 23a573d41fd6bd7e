/** The bench `memory`: what an idle node takes, and what each connection adds. */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Bench, Measured, Run } from './harness.ts'
import { BENCH_FOLDER } from './harness-machine.ts'
import { measureIdle } from './memory-idle.ts'
import type { Listening } from './memory-listeners.ts'
import type { Held } from './memory-side.ts'

const REPOSITORY = dirname(dirname(BENCH_FOLDER))
const SOURCE = join(REPOSITORY, 'bin', 'p2p')
const BUNDLE = join(REPOSITORY, 'dist', 'bundle', 'p2p.js')
const SIDE = new URL('./memory-side.ts', import.meta.url)
const DIALLERS = 4
/** There before the count begins, so that what the first connection loads is not in it. */
const FIRST = 20
const SETTLE_MS = 3_000

const kb = { unit: 'KB', better: 'lower' } as const
const descriptors = { unit: 'descriptors', better: 'lower' } as const

export const bench: Bench = {
  name: 'memory',
  what:
    'An idle node with its default faces (API and MCP gateway), run from the source and as a ' +
    'bundle; and what 1,000 connections from other processes add to a listening node, per ' +
    'connection, against plain js-libp2p.',
  packages: ['libp2p', '@chainsafe/libp2p-quic', '@libp2p/tcp', '@chainsafe/libp2p-yamux'],
  metrics: {
    bundleRss: { unit: 'MB', better: 'lower' },
    bundleCpu: { unit: '% of a core', better: 'lower' },
    bundleStart: { unit: 'ms', better: 'lower' },
    sourceRss: { unit: 'MB', better: 'lower' },
    sourceCpu: { unit: '% of a core', better: 'lower' },
    sourceStart: { unit: 'ms', better: 'lower' },
    tcpConnection: kb,
    quicConnection: kb,
    tcpDescriptors: descriptors,
    quicDescriptors: descriptors,
  },
  ours: async (run) => ({
    ...(await idle(run)),
    ...(await perConnection(run, { stack: 'ours', transport: 'tcp' })),
    ...(await perConnection(run, { stack: 'ours', transport: 'quic' })),
  }),
  peers: {
    plain: async (run) => ({
      ...(await perConnection(run, { stack: 'plain', transport: 'tcp' })),
      ...(await perConnection(run, { stack: 'plain', transport: 'quic' })),
    }),
  },
  ratios: {
    tcpConnection: ['tcpConnection', 'plain.tcpConnection'],
    quicConnection: ['quicConnection', 'plain.quicConnection'],
  },
  goals: {
    'ours.bundleRss': { atMost: 100 },
    'ours.bundleCpu': { atMost: 5 },
    'ours.sourceCpu': { atMost: 5 },
    'ours.tcpConnection': { atMost: 100 },
    'ours.quicConnection': { atMost: 200 },
    'ours.tcpDescriptors': { atMost: 10_000 },
  },
  notes: [
    'Idle is 30 s without a peer, after 5 s to settle; memory is the resident set of the process.',
    'A connection costs the growth of the resident set of the listener after its garbage is ' +
      'collected; the listener is a whole node with its limits raised to the number of ' +
      'connections, each of which has told who it is (identify).',
    'With --short there are 100 connections, too few to tell what one costs.',
    'Both sides are dialled by plain js-libp2p, each connection from an identity of its own.',
  ],
  prepare: async () => {
    if (process.platform !== 'linux') throw new TypeError('memory reads /proc: it needs Linux')
    const built = spawnSync('npm', ['run', '--silent', 'build:bundle'], {
      cwd: REPOSITORY,
      stdio: ['ignore', 2, 2],
    })
    if (built.status !== 0 || !existsSync(BUNDLE)) {
      throw new TypeError(`npm run build:bundle did not make ${BUNDLE}`)
    }
    return undefined
  },
}

async function idle({ short }: Run): Promise<Measured> {
  const seconds = short ? 5 : 30
  const bundle = await measureIdle(BUNDLE, seconds)
  const source = await measureIdle(SOURCE, seconds)
  return {
    bundleRss: bundle.rssMb,
    bundleCpu: bundle.cpuPercent,
    bundleStart: bundle.startMs,
    sourceRss: source.rssMb,
    sourceCpu: source.cpuPercent,
    sourceStart: source.startMs,
  }
}

async function perConnection(
  run: Run,
  { stack, transport }: Pick<Listening, 'stack' | 'transport'>,
): Promise<Measured> {
  const count = run.short ? 100 : 1_000
  await using listener = await run.start(SIDE, { nodeArgs: ['--expose-gc'] })
  const how: Listening = { stack, transport, room: count + FIRST + DIALLERS }
  const address = await listener.call<string>('listen', how)
  const diallers = await Promise.all(Array.from({ length: DIALLERS }, () => run.start(SIDE)))
  await diallers[0]?.call('dial', { address, count: FIRST })
  const before = await settled()
  const each = { address, count: count / DIALLERS }
  await Promise.all(diallers.map((dialler) => dialler.call('dial', each)))
  const after = await settled()
  await Promise.all(diallers.map((dialler) => dialler[Symbol.asyncDispose]()))
  if (after.connections < count + FIRST) {
    throw new TypeError(`${after.connections} connections stayed, of ${count + FIRST}`)
  }
  return {
    [`${transport}Connection`]: (after.rssKb - before.rssKb) / count,
    [`${transport}Descriptors`]: after.descriptors,
  }

  async function settled(): Promise<Held> {
    await wait(SETTLE_MS)
    return listener.call<Held>('held')
  }
}
