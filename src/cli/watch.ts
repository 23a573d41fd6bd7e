/**
 * What `p2p status --watch` shows: the status again and again, with rates from one look to the next
 * and the round trip to each peer. Looking and drawing are apart, so that a program gets the same.
 */

import type { Clock } from '../base/index.ts'
import type { ServedStatus } from '../control/index.ts'
import type { PeerStatus } from '../node/index.ts'
import { cleanLine, type Paint, table } from './output.ts'
import type { NodeClient } from './rooms.ts'
import { bytesText, durationText } from './words.ts'

/** Pings are traffic: not every look sends them, and not to everybody. */
const PING_EVERY_MS = 5_000
const PING_MS = 2_000
const PINGED_MAX = 16

interface Rates {
  readonly bytesIn: number
  readonly bytesOut: number
  readonly calls: number
  readonly served: number
}

/** One look; rates are per second, and null at the first. */
export interface Look {
  readonly atMs: number
  readonly status: ServedStatus
  readonly perSecond: Rates | null
  readonly peers: readonly {
    readonly peer: string
    readonly transports: readonly string[]
    /** Null until it has answered a ping. */
    readonly rttMs: number | null
  }[]
}

export interface WatcherDeps {
  readonly node: Pick<NodeClient, 'status' | 'peers' | 'ping'>
  readonly clock: Clock
  readonly signal: AbortSignal
}

export class Watcher {
  readonly #deps: WatcherDeps
  readonly #rtts = new Map<string, number>()
  #before: { readonly atMs: number; readonly status: ServedStatus } | undefined
  #pingedMs = Number.NEGATIVE_INFINITY
  #pinging: Promise<void> = Promise.resolve()

  constructor(deps: WatcherDeps) {
    this.#deps = deps
  }

  async look(): Promise<Look> {
    const { node, clock, signal } = this.#deps
    const [status, peers] = await Promise.all([node.status({ signal }), node.peers({ signal })])
    const atMs = clock.now()
    if (atMs - this.#pingedMs >= PING_EVERY_MS) {
      this.#pingedMs = atMs
      this.#pinging = this.#pinging.then(() => this.#ping(peers))
    }
    const perSecond = this.#before === undefined ? null : ratesOf(this.#before, { atMs, status })
    this.#before = { atMs, status }
    const shown = peers.map(({ peer, connections }) => ({
      peer,
      transports: [...new Set(connections.map(({ transport }) => transport))],
      rttMs: this.#rtts.get(peer) ?? null,
    }))
    return { atMs, status, perSecond, peers: shown }
  }

  /** The next look shows what came back; nobody waits for it. */
  async #ping(peers: readonly PeerStatus[]): Promise<void> {
    const { node, clock, signal } = this.#deps
    const present = new Set<string>(peers.map(({ peer }) => peer))
    for (const peer of this.#rtts.keys()) if (!present.has(peer)) this.#rtts.delete(peer)
    await Promise.all(
      peers.slice(0, PINGED_MAX).map(async ({ peer }) => {
        using deadline = clock.deadline(PING_MS, signal)
        try {
          this.#rtts.set(peer, await node.ping(peer, { signal: deadline.signal }))
        } catch {
          // A peer that does not answer has no round trip, which is what is shown.
          this.#rtts.delete(peer)
        }
      }),
    )
  }
}

interface Moment {
  readonly atMs: number
  readonly status: ServedStatus
}

function ratesOf(before: Moment, now: Moment): Rates | null {
  const seconds = (now.atMs - before.atMs) / 1_000
  if (seconds <= 0) return null
  const rate = (name: keyof Rates) => {
    return Math.max(0, now.status.activity[name] - before.status.activity[name]) / seconds
  }
  const [bytesIn, bytesOut] = [rate('bytesIn'), rate('bytesOut')]
  return { bytesIn, bytesOut, calls: rate('calls'), served: rate('served') }
}

/** The look as a picture of several lines. */
export function picture({ status, perSecond, peers }: Look, paint: Paint): string[] {
  const color = { ok: 'green', degraded: 'yellow', failing: 'red' } as const
  const { activity, health } = status
  const label = (text: string) => paint('dim', text.padEnd(9))
  const rate = (value: number | undefined) =>
    value === undefined ? '' : ` (${value.toFixed(1)}/s)`
  const bytes = (total: number, now: number | undefined) => {
    return now === undefined ? bytesText(total) : `${bytesText(now)}/s (${bytesText(total)})`
  }
  const rows = peers.map(({ peer, transports, rttMs }) => [
    peer,
    transports.join(', '),
    rttMs === null ? '-' : `${rttMs.toFixed(1)} ms`,
  ])
  return [
    paint('bold', cleanLine(`${status.words ?? status.peerId} · ${status.network}`)),
    `${label('Health')}${paint(color[health.status], health.status)}`,
    ...health.reasons.map((reason) => `${' '.repeat(9)}- ${cleanLine(reason)}`),
    `${label('In')}${bytes(activity.bytesIn, perSecond?.bytesIn)}`,
    `${label('Out')}${bytes(activity.bytesOut, perSecond?.bytesOut)}`,
    label('Tools') +
      `${activity.toolsOffered} offered · ` +
      `${activity.served} served${rate(perSecond?.served)} · ` +
      `${activity.calls} called${rate(perSecond?.calls)}`,
    `${label('Records')}${activity.dhtRecords} of the DHT`,
    `${label('Memory')}${bytesText(activity.memoryBytes)}`,
    `${label('Running')}${durationText(status.uptimeMs)}, version ${status.version}`,
    `${label('Peers')}${peers.length}`,
    ...(rows.length === 0
      ? []
      : table(['PEER', 'BY', 'RTT'], rows, paint).map((line) => `  ${line}`)),
  ]
}

/** The look in one line, for what is no terminal. */
export function summary({ atMs, status, perSecond, peers }: Look): string {
  const { activity, health } = status
  const perS = (name: keyof Rates) => Math.round(perSecond?.[name] ?? 0)
  const facts = {
    peers: peers.length,
    in: `${perS('bytesIn')}B/s`,
    out: `${perS('bytesOut')}B/s`,
    offered: activity.toolsOffered,
    served: activity.served,
    called: activity.calls,
    records: activity.dhtRecords,
    memory: bytesText(activity.memoryBytes).replace(' ', ''),
    up: `${Math.floor(status.uptimeMs / 1_000)}s`,
  }
  const said = Object.entries(facts).map(([name, value]) => `${name}=${value}`)
  return [timeText(atMs), health.status, ...said].join(' ')
}

/** A moment as everybody reads it, whatever the place: `2026-01-01T00:00:00Z`. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z')
}
