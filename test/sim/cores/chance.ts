/**
 * Chance for millions of draws: sfc32 over a seed (Chris Doty-Humphrey, PractRand).
 *
 * `seededRandom` of `base` hashes for every few bytes, which is right for whole nodes and takes
 * seconds for ten thousand tables. Nothing secret is drawn here, so a fast generator will do.
 */

import { createHash } from 'node:crypto'
import type { Random } from '../../../src/base/index.ts'

export interface Chance extends Random {
  /** A number in [0, 1). */
  float(): number
}

/** The same seed and purpose give the same draws; another purpose draws apart. */
export function chance(seed: number, purpose: string): Chance {
  const bytes = createHash('sha256').update(`${seed}/${purpose}`).digest()
  let a = bytes.readInt32LE(0)
  let b = bytes.readInt32LE(4)
  let c = bytes.readInt32LE(8)
  let d = bytes.readInt32LE(12)

  const next = (): number => {
    const sum = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return sum >>> 0
  }
  return {
    float: () => next() / 2 ** 32,
    int: (below) => Math.floor((next() / 2 ** 32) * below),
    bytes(count) {
      const drawn = new Uint8Array(count)
      for (let at = 0; at < count; at += 1) drawn[at] = next() & 0xff
      return drawn
    },
  }
}
