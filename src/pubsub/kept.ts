/** The last messages of one topic with repair, to give to those that miss them. Sans I/O. */

import type { PeerId } from '../identity/index.ts'
import type { Place } from './repair-protocol.ts'
import type { RawMessage } from './stock.ts'
import type { RepairRule } from './topics.ts'

export class Kept {
  /** The oldest comes first. */
  readonly #messages = new Map<string, RawMessage>()
  #bytes = 0

  get size(): number {
    return this.#messages.size
  }

  get bytes(): number {
    return this.#bytes
  }

  add(author: PeerId, place: Place, message: RawMessage, rule: RepairRule): void {
    const key = keyOf(author, place)
    if (this.#messages.has(key)) return
    this.#messages.set(key, copied(message))
    this.#bytes += sizeOf(message)
    while (this.#messages.size > rule.keep || this.#bytes > rule.bytesMax) {
      const [oldest] = this.#messages
      if (oldest === undefined) return
      this.#messages.delete(oldest[0])
      this.#bytes -= sizeOf(oldest[1])
    }
  }

  get(author: PeerId, place: Place): RawMessage | undefined {
    return this.#messages.get(keyOf(author, place))
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
