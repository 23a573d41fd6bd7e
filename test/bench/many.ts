/** The bench `many`: a thousand connections to one node, how fast they come and what each costs. */

import { setTimeout as wait } from 'node:timers/promises'
import type { Bench, Measured, Run } from './harness.ts'
import type { WorkerProcess } from './harness-process.ts'
import type { Listening } from './memory-listeners.ts'
import type { Held, Target } from './memory-side.ts'

const SIDE = new URL('./memory-side.ts', import.meta.url)
/** Connections, who makes them, how many are there before, and how long it rests. */
const FULL = { count: 1_000, diallers: 4, first: 20, settleMs: 3_000 }
const SHORT = { count: 60, diallers: 1, first: 6, settleMs: 300 }

const rate = { unit: 'connections/s', better: 'higher' } as const
const core = { unit: 'ms of a core', better: 'lower' } as const
const kb = { unit: 'KB', better: 'lower' } as const

export const bench: Bench = {
  name: 'many',
  what:
    '1,000 connections to one node, one from each of as many identities in four other processes, ' +
    '16 dials at a time: how many come up in a second, what each costs of a core in the ' +
    'listening process and in those that dial, and what it adds to the listener’s memory.',
  packages: ['libp2p', '@chainsafe/libp2p-quic', '@libp2p/tcp', 'hyperdht'],
  metrics: {
    tcpRate: rate,
    tcpCpu: core,
    tcpDialCpu: core,
    tcpMemory: kb,
    quicRate: rate,
    quicCpu: core,
    quicDialCpu: core,
    quicMemory: kb,
  },
  ours: (run) => both(run, 'ours'),
  peers: {
    plain: (run) => both(run, 'plain'),
    hyperdht: (run) => measure(run, 'hyperdht', 'quic'),
  },
  ratios: {
    tcpRate: ['tcpRate', 'plain.tcpRate'],
    tcpCpu: ['tcpCpu', 'plain.tcpCpu'],
    tcpMemory: ['tcpMemory', 'plain.tcpMemory'],
    quicRate: ['quicRate', 'plain.quicRate'],
    quicCpu: ['quicCpu', 'plain.quicCpu'],
    quicMemory: ['quicMemory', 'plain.quicMemory'],
    hyperdhtRate: ['quicRate', 'hyperdht.quicRate'],
    hyperdhtCpu: ['quicCpu', 'hyperdht.quicCpu'],
  },
  goals: {
    'ratio.tcpRate': { atLeast: 1 },
    'ratio.quicRate': { atLeast: 1 },
    'ours.tcpMemory': { atMost: 100 },
    'ours.quicMemory': { atMost: 200 },
  },
  notes: [
    'Ours is a whole node with everything on, plain is js-libp2p with identify alone; both are ' +
      'dialled by plain js-libp2p, so that what differs is the listener. HyperDHT is dialled by ' +
      'itself, and stands under QUIC because it, too, runs over UDP.',
    'All come from one address, which no default lets in: ours has connectionsMax, ' +
      'connectionsPerHostMax, connectionsPerSiteMax and inboundPerSecondMax raised to the number ' +
      'of connections, and pendingMax to four times that, js-libp2p maxConnections, ' +
      'maxIncomingPendingConnections and inboundConnectionThreshold. HyperDHT has no such limits.',
    'Those that dial do not look whether a connection lives (connectionMonitor): a thousand of ' +
      'their pings come at once, and js-libp2p cuts what answers late.',
    'Identities are ready before the clock starts; it stops when the listener counts all of them. ' +
      'The cost of a core includes who they are (identify) and the rest of three seconds after.',
    'Memory is the growth of the resident set after the garbage is collected. With --short there ' +
      'are 60 connections, too few to tell what one costs.',
  ],
  prepare: async () => {
    if (process.platform !== 'linux') throw new TypeError('many reads /proc: it needs Linux')
    return undefined
  },
}

async function both(run: Run, stack: 'ours' | 'plain'): Promise<Measured> {
  return { ...(await measure(run, stack, 'tcp')), ...(await measure(run, stack, 'quic')) }
}

async function measure(
  run: Run,
  stack: Listening['stack'],
  transport: Listening['transport'],
): Promise<Measured> {
  const { count, diallers: processes, first, settleMs } = run.short ? SHORT : FULL
  const diallers = Array.from({ length: processes }, () => run.start(SIDE))
  const [listener, ...dialling] = await Promise.all([
    run.start(SIDE, { nodeArgs: ['--expose-gc'] }),
    ...diallers,
  ])
  const how: Listening = { stack, transport, room: count + first + processes }
  const address = await listener.call<string>('listen', how)
  await dialling[0]?.call('dial', { address, count: first } satisfies Target)
  const each: Target = { address, count: count / processes }
  await Promise.all(dialling.map((one) => one.call('gather', each)))
  await wait(settleMs)
  const { rssKb } = await listener.call<Held>('held')
  const cpu = await used()

  const began = performance.now()
  await Promise.all(dialling.map((one) => one.call('dial', each)))
  const connections = await listener.call<number>('counted', { count: count + first })
  const seconds = (performance.now() - began) / 1_000

  await wait(settleMs)
  const cpuAfter = await used()
  const after = await listener.call<Held>('held')
  await Promise.all([listener, ...dialling].map((one) => one[Symbol.asyncDispose]()))
  if (Math.min(connections, after.connections) < count + first) {
    const stayed = `${connections} came and ${after.connections} stayed`
    throw new TypeError(`${stack}, ${transport}: of ${count + first} connections ${stayed}`)
  }
  return {
    [`${transport}Rate`]: count / seconds,
    [`${transport}Cpu`]: (cpuAfter.listening - cpu.listening) / count,
    [`${transport}DialCpu`]: (cpuAfter.dialling - cpu.dialling) / count,
    [`${transport}Memory`]: (after.rssKb - rssKb) / count,
  }

  async function used() {
    const cpus = await Promise.all([listener, ...dialling].map(cpuMsOf))
    const [listening = Number.NaN, ...others] = cpus
    return { listening, dialling: others.reduce((sum, ms) => sum + ms, 0) }
  }
}

function cpuMsOf(worker: WorkerProcess): Promise<number> {
  return worker.call<number>('cpuMs')
}
