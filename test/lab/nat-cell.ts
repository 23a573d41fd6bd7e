/**
 * One cell of the NAT matrix: two nodes behind NATs that know a public relay and nothing else.
 *
 *   a ── [NAT of kind a] ── line ──┐
 *                                  ├── internet ── relay 5.9.77.10
 *   b ── [NAT of kind b] ── line ──┘
 *
 * `a` dials `b` by its peer id alone; the clock runs from there to the answer of a ping. Then the
 * two have a while to find a better way, and a MiB from `b` to `a` shows whether the relay, whose
 * interface is counted, still carries anything.
 */

import type { Answered, PeerConnection } from './node-process.ts'
import type { Site } from './topology.ts'
import type { Way } from './wire.ts'
import { A, B, openWorld, type World } from './world.ts'

export const SIDES = ['none', 'cone', 'restricted', 'symmetric', 'carrier-grade'] as const
export type Side = (typeof SIDES)[number]

export const PATHS = ['direct', 'mapped', 'punched', 'relayed'] as const
export type Path = (typeof PATHS)[number]

export interface Cell {
  readonly a: Side
  readonly b: Side
  readonly connected: boolean
  /** The best way when all had time to settle; null without a connection. */
  readonly path: Path | null
  /** From the dial to the first application byte. */
  readonly seconds: number
}

export interface CellReport extends Cell {
  /** The way of the first application byte. */
  readonly first: Path | null
  readonly transport: string | undefined
  /** Until the better way was there, from the dial on; absent when none came. */
  readonly upgradedSeconds: number | undefined
  /** What passed the relay's interface while a MiB went from `b` to `a`; absent if not measured. */
  readonly relayBytes: number | undefined
  readonly reason: string | undefined
  /** What the nodes wrote, `a` first; for whoever wants to know why. */
  readonly logs: readonly string[]
}

export interface CellOptions {
  /** Of each site's line; the relay's has none. */
  readonly line?: Way
  readonly measureRelay: boolean
}

const CONNECT_WITHIN_MS = 20_000
/** How long a better way may take to come where one is possible, and where none is. */
const SETTLE_MS = { possible: 15_000, impossible: 5_000 }
const MIB = 1_024 * 1_024
const FETCH_WITHIN_MS = 30_000

/** Whether two NATs let a datagram through to each other when both send (RFC 5128 §3.3). */
export function canPunch(a: Side, b: Side): boolean {
  const lets = (one: Side, other: Side) => one !== 'symmetric' || ['none', 'cone'].includes(other)
  return lets(a, b) && lets(b, a)
}

/** Builds the world, starts three nodes, and lets one reach the other. */
export async function runCell(a: Side, b: Side, options: CellOptions): Promise<CellReport> {
  const line = options.line === undefined ? {} : { line: options.line }
  await using world = await openWorld({
    a: { nat: a, ip4: A.ip4, ...line },
    b: { nat: b, ip4: B.ip4, ...line },
  })
  const began = performance.now()
  const reached = await world.a.reach(world.b.peerId, CONNECT_WITHIN_MS)
  const outcome = await outcomeOf(world, reached, { began, possible: canPunch(a, b) })
  const isMeasured = options.measureRelay && outcome.connected && outcome.path !== 'relayed'
  const relayBytes = isMeasured ? await relayedBytes(world) : undefined
  return { a, b, ...outcome, relayBytes, logs: [world.a.log, world.b.log, world.relay.log] }
}

/** The best of several connections, as the order of `PATHS` has it. */
export function bestPath(connections: readonly PeerConnection[]): PeerConnection | undefined {
  const rank = (one: PeerConnection) => PATHS.indexOf(pathOf(one))
  return connections.toSorted((x, y) => rank(x) - rank(y))[0]
}

export function pathOf({ path, transport, address }: PeerConnection): Path {
  const known = PATHS.find((one) => one === path)
  if (known !== undefined) return known
  return transport === 'relay' || address.includes('/p2p-circuit') ? 'relayed' : 'direct'
}

type Outcome = Omit<CellReport, 'a' | 'b' | 'relayBytes' | 'logs'>

async function outcomeOf(
  { a, b }: World,
  reached: Answered<number>,
  { began, possible }: { readonly began: number; readonly possible: boolean },
): Promise<Outcome> {
  const seconds = rounded(reached.ms)
  const none = { upgradedSeconds: undefined, transport: undefined }
  if (reached.error !== undefined) {
    const { message, facts } = reached.error
    const reason = `${message} ${JSON.stringify(facts)}`
    return { connected: false, path: null, first: null, seconds, ...none, reason }
  }
  const best = async () => bestPath(await a.connectionsTo(b.peerId))
  const first = await best()
  const better = async () => {
    const found = await best()
    return found !== undefined && pathOf(found) !== 'relayed' ? found : undefined
  }
  const withinMs = possible ? SETTLE_MS.possible : SETTLE_MS.impossible
  const upgraded = await a.until(better, withinMs)
  const upgradedMs = performance.now() - began
  const last = upgraded ?? (await best())
  return {
    connected: last !== undefined,
    path: last === undefined ? null : pathOf(last),
    first: first === undefined ? null : pathOf(first),
    transport: last?.transport,
    seconds,
    upgradedSeconds: upgraded === undefined ? undefined : rounded(upgradedMs),
    reason: last === undefined ? 'the connection was gone again' : undefined,
  }
}

/** Bytes at the relay's interface while `b` sends a MiB to `a`. */
export async function relayedBytes({ a, b, sites }: World): Promise<number> {
  await b.expose()
  const before = bytesAt(sites.relay)
  const { error } = await a.fetch(b.peerId, MIB, FETCH_WITHIN_MS)
  if (error !== undefined) throw new Error(`a mebibyte did not arrive: ${error.message}`)
  return bytesAt(sites.relay) - before
}

function bytesAt({ host }: Site): number {
  const shown = host.run('ip', ['-statistics', '-json', 'link', 'show', 'dev', 'eth0'])
  const [found] = JSON.parse(shown) as [
    { stats64: { rx: { bytes: number }; tx: { bytes: number } } },
  ]
  return found.stats64.rx.bytes + found.stats64.tx.bytes
}

function rounded(ms: number): number {
  return Math.round(ms) / 1_000
}
