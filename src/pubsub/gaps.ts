/**
 * Which messages of a topic with repair are missing here, and whom to ask for them next. Sans I/O.
 *
 * An author counts its messages from 1 in each run. A count above the next one leaves a gap; what
 * is in it may still be on its way, so it is asked for only after `patienceMs`, then of one peer
 * after the other, `TRIES_MAX` of them, and given up after that. What an author sent before we
 * first heard of it is not missing, and neither is what nobody has sent after it.
 */

import type { PeerId } from '../identity/index.ts'
import { COUNTS_MAX, type Head, type Place } from './repair-protocol.ts'

/** With the pauses between them: for about a minute. */
export const TRIES_MAX = 6
/** Missing messages of one author in one topic; of a larger gap the newest are asked for. */
export const MISSING_MAX = 256
/** Of all authors: above it the one of whose messages most are missing gives up the oldest. */
export const MISSING_ALL_MAX = 8_192
/** Authors in topics, the one heard longest ago is forgotten. */
export const LINES_MAX = 1_024
const PAUSE_MS = 2_000
const PAUSE_MS_MAX = 16_000

export interface GapsConfig {
  /** How long paths of the mesh differ, and GossipSub's own asking takes. */
  readonly patienceMs: number
}

/** Counts of one author in one topic, to be asked for in one question. */
export interface Gap {
  readonly wire: string
  readonly author: PeerId
  readonly run: number
  readonly counts: readonly number[]
  /** Who was asked for one of them already. */
  readonly asked: ReadonlySet<PeerId>
}

interface Missing {
  dueAtMs: number
  tries: number
  readonly asked: Set<PeerId>
}

interface Line {
  readonly wire: string
  readonly author: PeerId
  run: number
  highest: number
  missing: Map<number, Missing>
}

export class Gaps {
  readonly #config: GapsConfig
  /** By topic and author; the one heard longest ago comes first. */
  readonly #lines = new Map<string, Line>()
  #size = 0

  constructor(config: GapsConfig) {
    this.#config = config
  }

  /** How many messages are missing. */
  get size(): number {
    return this.#size
  }

  isMissing(wire: string, author: PeerId, { run, count }: Place): boolean {
    const line = this.#lines.get(keyOf(wire, author))
    return line?.run === run && line.missing.has(count)
  }

  /** Whether it is above all that was taken of this run: then nothing of it was. */
  isAbove(wire: string, author: PeerId, { run, count }: Place): boolean {
    const line = this.#lines.get(keyOf(wire, author))
    return line?.run === run && count > line.highest
  }

  /** What somebody took and we did not: the oldest of it. */
  lacking(wire: string, { author, run, first, last }: Head): number[] {
    const line = this.#lines.get(keyOf(wire, author))
    if (line !== undefined && line.run > run) return []
    const isKnown = line?.run === run
    const counts = isKnown ? [...line.missing.keys()].filter((one) => one <= last) : []
    const from = isKnown ? line.highest + 1 : first
    for (let one = from; one <= last && counts.length < MISSING_MAX; one += 1) counts.push(one)
    return counts.sort((a, b) => a - b)
  }

  /** A message was taken; returns how many are given up for a new run, or for want of room. */
  note(wire: string, author: PeerId, place: Place, nowMs: number): number {
    const key = keyOf(wire, author)
    const known = this.#lines.get(key)
    const { run, count } = place
    const line = known ?? { wire, author, run, highest: count, missing: new Map() }
    this.#lines.delete(key)
    this.#lines.set(key, line)
    if (this.#lines.size > LINES_MAX) this.#forget(this.#lines.keys().next().value ?? '')
    if (run < line.run) return 0
    const lost = run > line.run ? line.missing.size : 0
    if (run > line.run) Object.assign(line, { run, highest: 0, missing: new Map() })
    const before = line.missing.size + lost
    line.missing.delete(count)
    const dueAtMs = nowMs + this.#config.patienceMs
    const first = Math.max(line.highest + 1, count - MISSING_MAX)
    for (let one = first; one < count; one += 1) {
      line.missing.set(one, { dueAtMs, tries: 0, asked: new Set() })
    }
    line.highest = Math.max(line.highest, count)
    const surplus = trim(line.missing, line.missing.size - MISSING_MAX)
    this.#size += line.missing.size - before
    return lost + surplus + this.#makeRoom()
  }

  /** What is to be asked for now. */
  due(nowMs: number): Gap[] {
    const gaps: Gap[] = []
    for (const { wire, author, run, missing } of this.#lines.values()) {
      const due = [...missing].filter(([, { dueAtMs }]) => dueAtMs <= nowMs).slice(0, COUNTS_MAX)
      if (due.length === 0) continue
      const asked = new Set(due.flatMap(([, one]) => [...one.asked]))
      gaps.push({ wire, author, run, counts: due.map(([count]) => count), asked })
    }
    return gaps
  }

  /** `peer` is being asked for a gap; when nobody is left to ask, that counts as a try as well. */
  asking({ wire, author, run, counts }: Gap, peer: PeerId | undefined, nowMs: number): void {
    const line = this.#lines.get(keyOf(wire, author))
    if (line?.run !== run) return
    for (const count of counts) {
      const missing = line.missing.get(count)
      if (missing === undefined) continue
      missing.dueAtMs = nowMs + Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** missing.tries)
      missing.tries += 1
      if (peer !== undefined) missing.asked.add(peer)
    }
  }

  /** `peer` did not answer: it may be asked for the same again. */
  unanswered({ wire, author, run, counts }: Gap, peer: PeerId): void {
    const line = this.#lines.get(keyOf(wire, author))
    if (line?.run !== run) return
    for (const count of counts) line.missing.get(count)?.asked.delete(peer)
  }

  /** Forgets what was asked for as often as it is worth, and returns how much that is. */
  giveUp(nowMs: number): number {
    let lost = 0
    for (const { missing } of this.#lines.values()) {
      for (const [count, { dueAtMs, tries }] of missing) {
        if (dueAtMs > nowMs || tries < TRIES_MAX) continue
        missing.delete(count)
        lost += 1
      }
    }
    this.#size -= lost
    return lost
  }

  /** Nobody reads the topic any more. */
  forget(wire: string): void {
    for (const [key, line] of this.#lines) if (line.wire === wire) this.#forget(key)
  }

  #forget(key: string): void {
    this.#size -= this.#lines.get(key)?.missing.size ?? 0
    this.#lines.delete(key)
  }

  /** Takes from those that miss most, so that who makes up gaps takes none from the others. */
  #makeRoom(): number {
    let lost = 0
    while (this.#size > MISSING_ALL_MAX) {
      let most = new Map<number, Missing>()
      for (const { missing } of this.#lines.values()) if (missing.size > most.size) most = missing
      // Half of them at once, so that not every message has to look for it.
      const dropped = trim(most, Math.ceil(most.size / 2))
      this.#size -= dropped
      lost += dropped
    }
    return lost
  }
}

/** Names of peers have no space in them. */
function keyOf(wire: string, author: PeerId): string {
  return `${author} ${wire}`
}

/** Drops the oldest, so many of them, and returns how many that is. */
function trim(missing: Map<number, Missing>, surplus: number): number {
  if (surplus <= 0) return 0
  for (const count of [...missing.keys()].slice(0, surplus)) missing.delete(count)
  return surplus
}
