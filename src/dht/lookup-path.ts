/** What one path of a lookup keeps: whom it heard of, who answered to it, and what it may ask. */

import type { PeerId } from '../identity/index.ts'
import { type Contact, compareDistance, type DhtKey } from './key.ts'

/** One question on its way. */
export interface Flight {
  readonly path: Path
  readonly contact: Contact
  /** Whether it has lost its place. */
  late: boolean
}

export interface Path {
  /** Heard of and not dealt with, closest first. */
  readonly waiting: Contact[]
  readonly heard: Set<PeerId>
  /** Who answered to this path, closest first. */
  readonly answered: Contact[]
  /** Answers after which only closer peers are worth asking. */
  readonly share: number
  readonly width: number
  readonly questionsMax: number
  /** Whether it asks only those vouched for. */
  readonly vouchedOnly: boolean
  questions: number
  flying: number
}

/** A path that has heard of nobody. */
export function emptyPath(
  limits: Pick<Path, 'share' | 'width' | 'questionsMax'>,
  vouchedOnly = false,
): Path {
  return {
    ...limits,
    vouchedOnly,
    waiting: [],
    heard: new Set(),
    answered: [],
    questions: 0,
    flying: 0,
  }
}

/** Puts `contact` at its place in a list that is sorted by distance to `target`. */
export function insert(target: DhtKey, sorted: Contact[], contact: Contact): void {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const there = sorted[middle]
    if (there !== undefined && compareDistance(target, there.key, contact.key) <= 0) {
      low = middle + 1
    } else high = middle
  }
  sorted.splice(low, 0, contact)
}
