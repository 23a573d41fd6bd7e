/** Chance, as a dependency: secure in production, from a printed seed in tests. */

import { createHash, randomBytes, randomInt } from 'node:crypto'

export interface Random {
  bytes(count: number): Uint8Array
  /** A whole number in [0, below); `below` is at most 2³². */
  int(below: number): number
}

/** From the operating system, by way of `node:crypto`. */
export const secureRandom: Random = {
  bytes: (count) => randomBytes(count),
  int: (below) => randomInt(below),
}

/** The same seed gives the same bytes everywhere: SHA-256 over the seed and a counter. */
export function seededRandom(seed: string): Random {
  let pool = Buffer.alloc(0)
  let counter = 0
  const bytes = (count: number): Uint8Array => {
    while (pool.length < count) {
      const block = createHash('sha256').update(`${seed}/${counter}`).digest()
      counter += 1
      pool = Buffer.concat([pool, block])
    }
    const taken = Uint8Array.from(pool.subarray(0, count))
    pool = pool.subarray(count)
    return taken
  }
  return { bytes, int: (below) => Buffer.from(bytes(6)).readUIntBE(0, 6) % below }
}

/** A new array with the same items in random order (Fisher–Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const order = [...items]
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = random.int(i + 1)
    const moved = order[i] as T
    order[i] = order[j] as T
    order[j] = moved
  }
  return order
}

/** An identifier for one request or one object: 16 random bytes as 32 hex digits. */
export function newId(random: Random): string {
  return Buffer.from(random.bytes(16)).toString('hex')
}
