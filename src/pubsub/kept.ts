/** The last messages of one topic with repair, to give to those that miss them. Sans I/O. */

import type { PeerId } from '../identity/index.ts'
import type { Head, Place } from './repair-protocol.ts'
import type { RawMessage } from './stock.ts'
import type { RepairRule } from './topics.ts'

/** Whose message, which one, and when it came here. */
export interface TakenAt extends Place {
  readonly author: PeerId
  readonly takenAtMs: number
}

interface Entry extends TakenAt {
  readonly message: RawMessage
}

export class Kept {
  /** The oldest comes first. */
  readonly #messages = new Map<string, Entry>()
  #bytes = 0

  get size(): number {
    return this.#messages.size
  }

  get bytes(): number {
    return this.#bytes
  }

  add(at: TakenAt, message: RawMessage, rule: RepairRule): void {
    const key = keyOf(at.author, at)
    if (this.#messages.has(key)) return
    const { author, run, count, takenAtMs } = at
    this.#messages.set(key, { author, run, count, takenAtMs, message: copied(message) })
    this.#bytes += sizeOf(message)
    while (this.#messages.size > rule.keep || this.#bytes > rule.bytesMax) {
      const [oldest] = this.#messages
      if (oldest === undefined) return
      this.#messages.delete(oldest[0])
      this.#bytes -= sizeOf(oldest[1].message)
    }
  }

  get(author: PeerId, place: Place): RawMessage | undefined {
    return this.#messages.get(keyOf(author, place))?.message
  }

  /** What was taken of each author between the two times, of its newest run. */
  heads({ fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number }): Head[] {
    const heads = new Map<PeerId, Head>()
    for (const { author, run, count, takenAtMs } of this.#messages.values()) {
      if (takenAtMs < fromMs || takenAtMs > untilMs) continue
      const known = heads.get(author)
      if (known !== undefined && known.run > run) continue
      const { first, last } = known?.run === run ? known : { first: count, last: count }
      const head = { author, run, first: Math.min(first, count), last: Math.max(last, count) }
      heads.set(author, head)
    }
    return [...heads.values()]
  }
}

export function sizeOf({ data, from, seqno, signature, key }: RawMessage): number {
  return [data, from, seqno, signature, key].reduce((sum, part) => sum + (part?.length ?? 0), 0)
}

/** What comes in is a view of its whole frame, which would stay in memory with it. */
function copied({ topic, ...parts }: RawMessage): RawMessage {
  const own = Object.entries(parts).map(([name, part]) => [name, Uint8Array.from(part)] as const)
  return { topic, ...Object.fromEntries(own) }
}

function keyOf(author: PeerId, { run, count }: Place): string {
  return `${author} ${run} ${count}`
}
