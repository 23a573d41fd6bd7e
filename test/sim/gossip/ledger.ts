/**
 * What was said and who heard it when, kept by whoever runs the world: the nodes know nothing of
 * it. From it follow delivery, latency, and whether anything came twice or from nobody.
 */

import type { PeerId } from '../../../src/identity/index.ts'

/** One node for as long as it listens; after a restart it is another listener. */
export interface Listener {
  readonly peer: PeerId
  /** When the first of those that listen could be reached; from then on it is there. */
  inTouchMs?: number
  goneMs?: number
}

interface Said {
  readonly author: Listener
  readonly atMs: number
  readonly heard: Map<Listener, number>
}

/** Who must hear a message: whoever was there so long before, and still so long after. */
export interface Due {
  /** Who died sooner after it spoke said nothing: its packets were not even on their way. */
  readonly saidMs: number
  readonly beforeMs: number
  readonly afterMs: number
}

export interface Heard {
  readonly expected: number
  readonly delivered: number
  /** Messages whose author died while it spoke. */
  readonly unsaid: number
  readonly latenciesMs: readonly number[]
  /** The first of those that did not come, for people. */
  readonly missing: readonly string[]
}

const MISSING_SHOWN = 10

export class Ledger {
  /** Deliveries that must not be: the second of a message, or one that nobody said. */
  readonly wrong: string[] = []
  readonly listeners: Listener[] = []
  readonly #said = new Map<number, Said>()

  /** How many messages were said. */
  get size(): number {
    return this.#said.size
  }

  /** Notes a message before it leaves, and names it. */
  say(author: Listener, atMs: number): number {
    const id = this.#said.size + 1
    this.#said.set(id, { author, atMs, heard: new Map() })
    return id
  }

  hear(listener: Listener, { id, from }: { id: unknown; from: PeerId }, atMs: number): void {
    const said = typeof id === 'number' ? this.#said.get(id) : undefined
    if (said?.author.peer !== from) {
      this.wrong.push(`${listener.peer} heard ${String(id)} of ${from}, who never said it`)
    } else if (said.heard.has(listener)) {
      this.wrong.push(`${listener.peer} heard ${String(id)} twice`)
    } else {
      said.heard.set(listener, atMs)
    }
  }

  /** How often anything was delivered to anybody, as it must be or not. */
  get deliveries(): number {
    const heard = [...this.#said.values()].reduce((sum, said) => sum + said.heard.size, 0)
    return heard + this.wrong.length
  }

  /** What of all that was due came in time; latencies are of all that ever came. */
  heard({ saidMs, beforeMs, afterMs }: Due): Heard {
    const latenciesMs: number[] = []
    const missing: string[] = []
    let expected = 0
    let unsaid = 0
    for (const [id, { author, atMs, heard }] of this.#said) {
      if (author.goneMs !== undefined && author.goneMs < atMs + saidMs) {
        unsaid += 1
        continue
      }
      for (const listener of this.listeners) {
        if (listener === author || !isDue(listener, atMs - beforeMs, atMs + afterMs)) continue
        expected += 1
        const heardMs = heard.get(listener)
        if (heardMs !== undefined && heardMs <= atMs + afterMs) latenciesMs.push(heardMs - atMs)
        else missing.push(`${listener.peer} did not hear ${id} in time`)
      }
    }
    const delivered = latenciesMs.length
    return { expected, delivered, unsaid, latenciesMs, missing: missing.slice(0, MISSING_SHOWN) }
  }
}

function isDue({ inTouchMs, goneMs }: Listener, fromMs: number, untilMs: number): boolean {
  if (inTouchMs === undefined || inTouchMs > fromMs) return false
  return goneMs === undefined || goneMs > untilMs
}
