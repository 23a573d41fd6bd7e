/**
 * Chance from a seed, fast enough for every packet of a simulation: xoshiro128**
 * (Blackman and Vigna, 2018), started from SHA-256 of a text. Nothing here is secret.
 */

import { createHash } from 'node:crypto'
import type { Random } from '../base/index.ts'

/** `Random` with what a model of a network needs besides. */
export interface SimRandom extends Random {
  /** At least 0 and below 1. */
  fraction(): number
  /** One of them; the list is not empty. */
  pick<T>(items: readonly T[]): T
  /** Chance of its own, that follows from this seed and the name, whatever was drawn before. */
  fork(name: string): SimRandom
}

const UINT32 = 2 ** 32

/** The same seed gives the same chance on every machine. */
export function simRandom(seed: string): SimRandom {
  const next = xoshiro(createHash('sha256').update(seed).digest())
  return {
    bytes(count) {
      const bytes = new Uint8Array(count)
      for (let i = 0; i < count; i += 1) bytes[i] = next() >>> 24
      return bytes
    },
    int: (below) => Math.floor((next() / UINT32) * below),
    fraction: () => next() / UINT32,
    pick: (items) => items[Math.floor((next() / UINT32) * items.length)] as (typeof items)[number],
    fork: (name) => simRandom(`${seed}/${name}`),
  }
}

function xoshiro(state: Buffer): () => number {
  let a = state.readUInt32LE(0)
  let b = state.readUInt32LE(4)
  let c = state.readUInt32LE(8)
  let d = state.readUInt32LE(12) | 1
  return () => {
    const result = Math.imul(rotated(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotated(d, 11)
    return result
  }
}

function rotated(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by))
}
