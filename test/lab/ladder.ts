/**
 * One rung of the link ladder: two nodes on a line that is as bad as its name.
 *
 *   a (10.78.0.1) ── line: rate, delay, jitter, bursts of loss ── b (10.78.0.2)
 *
 * Per transport: from the dial to the answer of a ping, then a tool's answer of some size from `b`.
 * Loss follows Gilbert and Elliott: all or nothing, in bursts of so many packets on average.
 */

import { Link } from './link.ts'
import type { Machine } from './netns.ts'
import { LabNode } from './node-process.ts'
import type { Way } from './wire.ts'

export interface Rung {
  readonly name: string
  readonly mbps: number
  readonly rttMs: number
  /** The share of packets lost, each way. */
  readonly loss: number
  /** How many are lost after each other, on average. */
  readonly burst: number
  /** Whether it must connect and deliver; the last one only has to say why not. */
  readonly must: boolean
}

export const RUNGS: readonly Rung[] = [
  { name: 'good-wifi', mbps: 100, rttMs: 16, loss: 0.001, burst: 6, must: true },
  { name: 'congested-wifi', mbps: 25, rttMs: 40, loss: 0.01, burst: 6, must: true },
  { name: 'weak-4g', mbps: 8, rttMs: 90, loss: 0.02, burst: 8, must: true },
  { name: 'slow-3g', mbps: 3, rttMs: 200, loss: 0.03, burst: 8, must: true },
  { name: 'congested-cellular', mbps: 1.5, rttMs: 300, loss: 0.05, burst: 10, must: true },
  { name: 'satellite', mbps: 25, rttMs: 600, loss: 0.015, burst: 10, must: true },
  { name: 'very-bad', mbps: 0.8, rttMs: 450, loss: 0.08, burst: 15, must: true },
  { name: 'barely-usable', mbps: 0.5, rttMs: 450, loss: 0.12, burst: 20, must: true },
  { name: 'absurd', mbps: 0.256, rttMs: 800, loss: 0.25, burst: 40, must: false },
]

export const LADDER_TRANSPORTS = ['quic', 'tcp'] as const
export type LadderTransport = (typeof LADDER_TRANSPORTS)[number]

export interface Climbed {
  /** From the dial to the first application byte; absent when it failed. */
  readonly connectMs?: number
  /** How often it was dialled until it stood. */
  readonly dials: number
  readonly bytes: number
  /** How often they were asked for until they came. */
  readonly fetches?: number
  /** Of the payload; absent when it did not arrive. */
  readonly mbps?: number
  readonly error?: string
}

const ADDRESSES = { quic: '/ip4/10.78.0.2/udp/9001/quic-v1', tcp: '/ip4/10.78.0.2/tcp/9000' }
const DIALS_MAX = 3
const FETCHES_MAX = 3
const DIAL_WITHIN_MS = 31_000
const FETCH_WITHIN_MS = 60_000
const BYTES_MAX = 4 * 1_024 * 1_024
/** How long a transfer takes at the rate of the line, were nothing lost. */
const FULL_RATE_MS = 2_000

/** Both transports on one rung; a fresh pair of nodes for each, for a node remembers failures. */
export async function climb(
  rung: Rung,
  { seed }: { readonly seed: number },
): Promise<Readonly<Record<LadderTransport, Climbed>>> {
  const shape: Way = {
    delayMs: rung.rttMs / 2,
    jitterMs: rung.rttMs / 20,
    loss: rung.loss,
    burst: rung.burst,
    rateBps: rung.mbps * 1e6,
    // What a router keeps: a quarter of a second, and never less than a few packets.
    queueBytes: Math.max(32_768, Math.round((rung.mbps * 1e6) / 8 / 4)),
  }
  const quic = await climbOver('quic', { rung, shape, seed })
  const tcp = await climbOver('tcp', { rung, shape, seed })
  return { quic, tcp }
}

async function climbOver(
  transport: LadderTransport,
  { rung, shape, seed }: { rung: Rung; shape: Way; seed: number },
): Promise<Climbed> {
  await using link = await Link.open({ shape, seed })
  await using opened = new AsyncDisposableStack()
  const start = async (machine: Machine, name: string) =>
    opened.use(await LabNode.start(machine, { dataDir: link.folder(name) }))
  const [a, b] = await Promise.all([start(link.a, 'a'), start(link.b, 'b')])
  await b.expose()
  const bytes = Math.round(Math.min(BYTES_MAX, (rung.mbps * 1e6 * FULL_RATE_MS) / 8_000))
  const target = `${ADDRESSES[transport]}/p2p/${b.peerId}`
  let dials = 0
  for (;;) {
    dials += 1
    const reached = await a.reach(target, DIAL_WITHIN_MS)
    if (reached.error !== undefined) {
      if (dials < DIALS_MAX) continue
      return { dials, bytes, error: reached.error.message }
    }
    return { dials, connectMs: reached.ms, bytes, ...(await delivered(a, b, bytes)) }
  }
}

/** Asks again when a call is given up, as a caller would: the tool changes nothing. */
async function delivered(a: LabNode, b: LabNode, bytes: number) {
  for (let fetches = 1; ; fetches += 1) {
    const { error, ms } = await a.fetch(b.peerId, bytes, FETCH_WITHIN_MS)
    if (error === undefined) return { fetches, mbps: (bytes * 8) / ms / 1_000 }
    if (fetches === FETCHES_MAX) return { fetches, error: error.message }
  }
}
