/**
 * How many peers there are, how far a region around a key reaches, and whether a place is crowded;
 * sans I/O (SR-DHT-Store, arXiv 2505.01139).
 *
 * Ids are hashes, so honest peers lie evenly: of n peers the m closest to any key lie within about
 * m/n of the space. A lookup for a key that nobody could choose shows n, for who wants to lie close
 * to it cannot know it before; the median of many is hard to move. Where the k closest lie much
 * closer together than that, somebody made ids to lie there. Such a place is not believed: values
 * go to, and are read from, everybody within the radius in which k honest peers are expected.
 *
 * Distances are shares of the space, 0 to 1; a double is exact enough for 2⁴⁰ peers.
 */

import type { Contact, DhtKey } from './key.ts'

/** Lookups whose median counts: the 20 closest of one are wrong by a fifth, those of 33 by 5 %. */
const SAMPLES_MAX = 33
/** With fewer lookups the median is worth looking for more. */
const SAMPLES_MIN = 4
/** A sample from when our own neighbours lay so much less or more densely is out of date. */
const GROWTH_MAX = 1.5
/**
 * A place is crowded when the k peers found lie where this share of k is expected. By chance 20 lie
 * where 8 are expected once in 4,000 places (Poisson); with an estimate that is a seventh too low
 * (the median of 4 lookups) once in 650. A false alarm costs some questions, and who would not be
 * noticed must leave 8 of the 20 places to the honest.
 */
const CROWDED_SHARE = 0.4

interface Sample {
  readonly size: number
  /** What our neighbours said then. */
  readonly beside: number | undefined
}

export class Density {
  readonly #k: number
  readonly #neighbours: () => number | undefined
  readonly #samples: Sample[] = []
  #next = 0

  /**
   * `neighbours` estimates from the table, which is wrong by a fifth but always of today: by it
   * the estimate follows a network that grows. Undefined as long as they may not be all known.
   */
  constructor(k: number, neighbours: () => number | undefined = () => undefined) {
    this.#k = k
    this.#neighbours = neighbours
  }

  /** Notes who was found closest to a key that nobody could choose. */
  note(target: DhtKey, closest: readonly Contact[]): void {
    const size = sizeFrom(target, closest)
    if (size === undefined) return
    this.#samples[this.#next] = { size, beside: this.#neighbours() }
    this.#next = (this.#next + 1) % SAMPLES_MAX
  }

  /** Whether another lookup for a random key would say much. */
  get isVague(): boolean {
    const neighbours = this.#neighbours()
    return neighbours !== undefined && this.#sizes(neighbours).length <= SAMPLES_MIN
  }

  /** How many peers there seem to be; undefined before anything can be said. */
  get size(): number | undefined {
    const sizes = this.#sizes(this.#neighbours()).sort((a, b) => a - b)
    return sizes[(sizes.length - 1) >>> 1]
  }

  /** The distance within which `count` honest peers are expected; 1 when nothing is known yet. */
  regionRadius(count: number = this.#k): number {
    const { size } = this
    return size === undefined ? 1 : Math.min(1, count / Math.max(1, size))
  }

  /** Whether `place` lies within the region of `count` honest peers around `key`. */
  within(key: DhtKey, place: DhtKey, count: number = this.#k): boolean {
    return distanceShare(key, place) <= this.regionRadius(count)
  }

  /**
   * Whether those found closest to `key` lie so close that some of them were made to lie there.
   * Where fewer than k were found, they are all there are, and nobody is crowded out.
   */
  isCrowded(key: DhtKey, closest: readonly Contact[]): boolean {
    const last = closest[this.#k - 1]
    if (last === undefined) return false
    const { size } = this
    return size !== undefined && size * distanceShare(key, last.key) < CROWDED_SHARE * this.#k
  }

  #sizes(neighbours: number | undefined): number[] {
    const sizes = this.#samples.filter((sample) => isOfToday(sample, neighbours))
    const all = sizes.map(({ size }) => size)
    return neighbours === undefined ? all : [...all, neighbours]
  }
}

function isOfToday({ beside }: Sample, neighbours: number | undefined): boolean {
  if (beside === undefined || neighbours === undefined) return beside === neighbours
  return beside < GROWTH_MAX * neighbours && neighbours < GROWTH_MAX * beside
}

/** How many peers there are if those closest to `target`, in order, lie as they do by chance. */
export function sizeFrom(target: DhtKey, closest: readonly Contact[]): number | undefined {
  const last = closest[closest.length - 1]
  if (last === undefined || closest.length < 2) return undefined
  const reach = distanceShare(target, last.key)
  // The mean of (m − 1) ÷ distance is n; that of m ÷ distance is more.
  return reach === 0 ? undefined : (closest.length - 1) / reach
}

/** The XOR distance of two keys as a share of the space. */
export function distanceShare(a: DhtKey, b: DhtKey): number {
  let share = 0
  for (let i = HEAD_BYTES - 1; i >= 0; i -= 1) share = (share + ((a[i] ?? 0) ^ (b[i] ?? 0))) / 256
  return share
}

/** A double holds 53 bits, counted from the first that is set. */
const HEAD_BYTES = 16
