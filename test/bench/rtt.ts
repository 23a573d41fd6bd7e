/** What a small question and its answer cost on a stream that is open. */

import type { Link } from '../lab/link.ts'
import type { Bench, Measured, Run } from './harness.ts'
import { type Ends, openLine, quantile, type StackName, startEnds } from './link/ends.ts'

const QUESTION_BYTES = 64
const HALF_MS = 25

let line: Link | undefined

async function measure(run: Run, stack: StackName): Promise<Measured> {
  const { short } = run
  const measured: Record<string, number> = {}
  {
    await using ends = await startEnds(run, stack)
    Object.assign(measured, await asked(ends, 'loop', short ? 200 : 5_000))
  }
  await using ends = await startEnds(run, stack, { link: line })
  return { ...measured, ...(await asked(ends, 'line', short ? 10 : 100)) }
}

/** On the line, what is above the path's own round trip; on loopback all of it. */
async function asked(ends: Ends, where: 'loop' | 'line', count: number): Promise<Measured> {
  const measured: Record<string, number> = {}
  for (const [transport, address] of ends.addresses) {
    const questions = { address, bytes: QUESTION_BYTES, count }
    // Code that has run before is what is measured.
    if (where === 'loop') await ends.echo(questions)
    const beside = where === 'line' ? { beside: ends.udpEcho } : {}
    const times = await ends.echo({ ...questions, ...beside })
    measured[`${where}_${transport}_p50`] = quantile(times, 0.5)
    measured[`${where}_${transport}_p99`] = quantile(times, 0.99)
  }
  return measured
}

const ms = { unit: 'ms', better: 'lower' } as const

export const bench: Bench = {
  name: 'rtt',
  what:
    'A question of 64 bytes and its echo on a stream that is open, one after the other: on ' +
    'loopback, and over a link with 50 ms of round trip (line), where a single datagram sets out ' +
    'with each question and only what the answer takes longer than its echo is shown.',
  packages: ['libp2p', '@chainsafe/libp2p-quic', '@libp2p/tcp', 'hyperdht'],
  metrics: {
    loop_quic_p50: ms,
    loop_quic_p99: ms,
    loop_tcp_p50: ms,
    loop_tcp_p99: ms,
    line_quic_p50: ms,
    line_quic_p99: ms,
    line_tcp_p50: ms,
    line_tcp_p99: ms,
  },
  prepare: async () => {
    line = await openLine({ delayMs: HALF_MS, loss: 0 })
    return line
  },
  ours: (run) => measure(run, 'ours'),
  peers: {
    plain: (run) => measure(run, 'plain'),
    hyperdht: (run) => measure(run, 'hyperdht'),
    tls: (run) => measure(run, 'tls'),
  },
  ratios: {
    quic: ['loop_quic_p50', 'plain.loop_quic_p50'],
    tcp: ['loop_tcp_p50', 'plain.loop_tcp_p50'],
    hyperdht: ['loop_quic_p50', 'hyperdht.loop_quic_p50'],
    tls: ['loop_tcp_p50', 'tls.loop_tcp_p50'],
  },
  goals: {},
  notes: [
    'Ours carries whole frames with limits, policy and metrics; the others carry bytes.',
    'HyperDHT stands under QUIC because it, too, runs over UDP; node’s own TLS stands under TCP.',
  ],
}
