/** Bulk data: on loopback with one and ten streams, and over a long line without and with loss. */

import type { Link } from '../lab/link.ts'
import type { Bench, Measured, Metric, Run } from './harness.ts'
import { type Ends, openLine, type StackName, startEnds } from './link/ends.ts'

const MIB = 1_024 * 1_024
const HALF_MS = 25
const LOSS = 0.01
const NO_CAP_MS = 120_000

/** What is sent on the line, and for how long at most. */
const LINES = {
  full: { bytes: 64 * MIB, capMs: 5_000 },
  short: { bytes: MIB / 4, capMs: 1_000 },
}

let line: Link | undefined

async function measure(run: Run, stack: StackName): Promise<Measured> {
  const measured: Record<string, number> = {}
  {
    await using ends = await startEnds(run, stack)
    Object.assign(measured, await loop(run, ends))
  }
  await using ends = await startEnds(run, stack, { link: line })
  if (stack === 'net') {
    await line?.shape({ delayMs: 0, loss: 0 })
    Object.assign(measured, await onLine(ends, 'link', { ...LINES.full, capMs: NO_CAP_MS }))
  }
  if (!run.short) {
    await line?.shape({ delayMs: HALF_MS, loss: 0 })
    Object.assign(measured, await onLine(ends, 'line', LINES.full))
  }
  await line?.shape({ delayMs: HALF_MS, loss: LOSS })
  const lossy = await onLine(ends, 'lossy', run.short ? LINES.short : LINES.full)
  return { ...measured, ...lossy }
}

async function loop(run: Run, ends: Ends): Promise<Measured> {
  const bytes = (run.short ? 16 : 256) * MIB
  const measured: Record<string, number> = {}
  for (const [transport, address] of ends.addresses) {
    for (const streams of run.short ? [1] : [1, 10]) {
      for (const direction of ['up', 'down'] as const) {
        const transfer = { address, direction, bytes, streams, capMs: NO_CAP_MS }
        const name = `${transport}${nameOf(direction)}${streams === 1 ? '' : streams}`
        measured[name] = await ends.mbps(transfer)
      }
    }
  }
  return measured
}

async function onLine(
  ends: Ends,
  where: 'line' | 'lossy' | 'link',
  size: { readonly bytes: number; readonly capMs: number },
): Promise<Measured> {
  const measured: Record<string, number> = {}
  for (const [transport, address] of ends.addresses) {
    for (const direction of ['up', 'down'] as const) {
      const transfer = { address, direction, streams: 1, ...size }
      measured[`${where}_${transport}${nameOf(direction)}`] = await ends.mbps(transfer)
    }
  }
  return measured
}

function nameOf(direction: 'up' | 'down'): string {
  return direction === 'up' ? 'Up' : 'Down'
}

const rates = [
  ...['Up', 'Down', 'Up10', 'Down10'].flatMap((name) => [`quic${name}`, `tcp${name}`]),
  ...['line', 'lossy'].flatMap((where) =>
    ['quicUp', 'quicDown', 'tcpUp', 'tcpDown'].map((name) => `${where}_${name}`),
  ),
  'link_tcpUp',
  'link_tcpDown',
]
const mbps: Metric = { unit: 'Mbit/s', better: 'higher' }

export const bench: Bench = {
  name: 'throughput',
  what:
    'Bulk data in chunks of 256 KiB, up (the dialling side sends) and down: 256 MiB on loopback ' +
    'over one stream and over ten; up to 64 MiB and 5 seconds over a link with 50 ms of round ' +
    'trip, without loss (line) and with 1 % of loss each way (lossy), one stream on a new ' +
    'connection. What has arrived when the time is up counts.',
  packages: ['libp2p', '@chainsafe/libp2p-quic', '@libp2p/tcp', 'hyperdht'],
  metrics: Object.fromEntries(rates.map((name) => [name, mbps])),
  prepare: async () => {
    line = await openLine({ delayMs: HALF_MS, loss: 0 })
    return line
  },
  ours: (run) => measure(run, 'ours'),
  peers: {
    plain: (run) => measure(run, 'plain'),
    hub: (run) => measure(run, 'hub'),
    hyperdht: (run) => measure(run, 'hyperdht'),
    tls: (run) => measure(run, 'tls'),
    net: (run) => measure(run, 'net'),
  },
  ratios: {
    quicUp: ['quicUp', 'plain.quicUp'],
    quicDown: ['quicDown', 'plain.quicDown'],
    tcpUp: ['tcpUp', 'plain.tcpUp'],
    tcpDown: ['tcpDown', 'plain.tcpDown'],
  },
  goals: {
    'ratio.quicUp': { atLeast: 3 },
    'ratio.quicDown': { atLeast: 3 },
    'ratio.tcpUp': { atLeast: 1.2 },
    'ratio.tcpDown': { atLeast: 1.2 },
    'ours.quicUp': { atLeast: 100 },
    'ours.quicDown': { atLeast: 100 },
    'ours.tcpUp': { atLeast: 100 },
    'ours.tcpDown': { atLeast: 100 },
  },
  notes: [
    'The hub side is our own QUIC with one UDP port for listening and dialling at both ends, as ' +
      'behind a NAT: every packet goes through JavaScript.',
    'The net side is a bare TCP socket, without encryption: what the path itself carries; its ' +
      'link_… figures are the ceiling of the link, measured without delay.',
    'HyperDHT stands under QUIC because it, too, runs over UDP; node’s own TLS 1.3 stands under ' +
      'TCP. Neither has streams inside a connection: ten streams are ten connections.',
    'On the line TCP runs with Reno, whatever the kernel’s default: with BBR, which does not take ' +
      'loss for congestion, its lossy figures would be many times higher. QUIC has Cubic.',
  ],
}
