/**
 * How long it takes from a dial to the first byte of an answer, over a line with 50 ms of round
 * trip, and whether 300 dials at once all succeed.
 */

import type { Link } from '../lab/link.ts'
import type { Bench, Measured, Run } from './harness.ts'
import { type Ends, median, openLine, type StackName, startEnds } from './link/ends.ts'

const HALF_MS = 25
/** The same over a line twice as long: the difference is round trips alone. */
const LONGER_HALF_MS = 50

let line: Link | undefined

/** One stack: both its transports, and the crowd where it is told to. */
async function measure(run: Run, stack: StackName, withCrowd: boolean): Promise<Measured> {
  const measured = await dials(run, stack)
  return withCrowd ? { ...measured, ...(await crowd(run, stack)) } : measured
}

async function dials(run: Run, stack: StackName): Promise<Measured> {
  await using ends = await startEnds(run, stack, { link: line })
  // The first ones pay for code that has never run.
  for (const [, address] of ends.addresses) await ends.connect(address, run.short ? 1 : 3)
  const near = await timed(ends, HALF_MS, run.short ? 3 : 10)
  const measured: Record<string, number> = { pathMs: near.pathMs }
  for (const [transport, ms] of near.times) {
    measured[`${transport}Ms`] = ms
    measured[`${transport}Rtts`] = ms / near.pathMs
  }
  if (run.short) return measured
  const far = await timed(ends, LONGER_HALF_MS, 6)
  for (const [transport, ms] of far.times) {
    const longer = ms - (near.times.get(transport) ?? Number.NaN)
    measured[`${transport}RoundTrips`] = longer / (far.pathMs - near.pathMs)
  }
  return measured
}

async function timed(ends: Ends, delayMs: number, count: number) {
  await line?.shape({ delayMs, loss: 0 })
  const times = new Map<string, number>()
  const paths = [await ends.pathMs(10)]
  for (const [transport, address] of ends.addresses) {
    times.set(transport, median(await ends.connect(address, count)))
    paths.push(await ends.pathMs(10))
  }
  return { times, pathMs: median(paths) }
}

/** Each dial from an identity of its own, all of them begun in one moment. */
async function crowd(run: Run, stack: StackName): Promise<Measured> {
  const [processes, each] = run.short ? [2, 10] : [6, 50]
  await line?.shape({ delayMs: HALF_MS, loss: 0 })
  const options = { link: line, crowd: processes * each, dialling: processes }
  await using ends = await startEnds(run, stack, options)
  const [, address] = ends.addresses.find(([transport]) => transport === 'quic') ?? []
  await Promise.all(ends.clients.map((one) => one.call('gather', { address, count: each })))
  const outcomes = await Promise.all(
    ends.clients.map((one) => one.call<readonly Outcome[]>('crowd', { address })),
  )
  const arrived = outcomes.flat().flatMap(({ ms }) => ms ?? [])
  return {
    crowdFailed: processes * each - arrived.length,
    crowdMs: Math.max(0, ...arrived),
  }
}

interface Outcome {
  readonly ms?: number
  readonly failed?: string
}

export const bench: Bench = {
  name: 'connect',
  what:
    'From the dial to the first byte of an answer, over a packet-level link with 50 ms of round ' +
    'trip; the dialling side speaks first. Rtts is that time divided by the round trip that ' +
    'single datagrams measure on the same path, so it holds the work of both ends as well; ' +
    'RoundTrips is the slope between this link and one twice as long, which is waiting alone. ' +
    'The crowd is 300 QUIC dials at once, each from an identity of its own, to one listener.',
  packages: ['libp2p', '@chainsafe/libp2p-quic', '@libp2p/tcp', 'hyperdht'],
  metrics: {
    pathMs: { unit: 'ms', better: 'lower' },
    quicMs: { unit: 'ms', better: 'lower' },
    quicRtts: { unit: 'RTT', better: 'lower' },
    quicRoundTrips: { unit: 'RTT', better: 'lower' },
    tcpMs: { unit: 'ms', better: 'lower' },
    tcpRtts: { unit: 'RTT', better: 'lower' },
    tcpRoundTrips: { unit: 'RTT', better: 'lower' },
    crowdFailed: { unit: 'dials', better: 'lower' },
    crowdMs: { unit: 'ms', better: 'lower' },
  },
  prepare: async () => {
    line = await openLine({ delayMs: HALF_MS, loss: 0 })
    return line
  },
  ours: (run) => measure(run, 'ours', true),
  peers: {
    plain: (run) => measure(run, 'plain', true),
    hyperdht: (run) => measure(run, 'hyperdht', false),
  },
  ratios: {
    quic: ['quicMs', 'plain.quicMs'],
    tcp: ['tcpMs', 'plain.tcpMs'],
    hyperdht: ['quicMs', 'hyperdht.quicMs'],
  },
  goals: {
    'ours.quicRtts': { atMost: 3 },
    'ours.tcpRtts': { atMost: 5 },
    'ours.crowdFailed': { atMost: 0 },
  },
  notes: [
    'Ours is the room net with its default limits, its policy and its metrics; plain is js-libp2p ' +
      'with every option at its default (QUIC, and TCP with Noise and Yamux).',
    'HyperDHT stands under QUIC because it, too, runs over UDP; its serving node is its own entry ' +
      'to the DHT and the dialler is told where it is, so no search is counted.',
    'In the crowd all dials come from one address, which the default limits of both sides refuse ' +
      '(ours 4 pending, js-libp2p 10 pending and 5 a second): both are raised to the crowd.',
    'A crowd’s time is that of the last dial that succeeded; where some failed it is no comparison.',
  ],
}
