/** Peers to which no stream led, for as long as a message waits for them. */

import type { PeerId } from '../identity/index.ts'
import type { Item } from './outbox-item.ts'

export class Unreached {
  #peers = new Set<PeerId>()

  /** After a try of this message. */
  note({ isUnreached, state: { peer } }: Item): void {
    if (isUnreached === true && peer !== undefined) this.#peers.add(peer)
  }

  /** A stream leads to it now: whether a message may wait for that. */
  reached(peer: PeerId): boolean {
    return this.#peers.delete(peer)
  }

  /** Forgets those for whom none of these waits. */
  keepFor(items: Iterable<Item>): void {
    const before = this.#peers
    this.#peers = new Set()
    for (const item of items) {
      const { peer } = item.state
      if (peer !== undefined && before.has(peer)) this.note(item)
    }
  }
}
