/**
 * Watches records while things go wrong: what a reader finds was published, by whom it says, and
 * is never older than what the same reader has seen; in calm times it lies on as many nodes as it
 * must, and everybody finds it.
 */

import { fromUtf8, utf8 } from '../../../src/base/index.ts'
import type { SimNode, SimRandom, Simulation } from '../../../src/testing/index.ts'
import type { Oracles } from './oracles.ts'

const READERS = 4

interface Watched {
  readonly key: string
  readonly publisher: SimNode
  /** Every text that was ever published, oldest first. */
  readonly texts: string[]
  /** The highest version that each reader has seen. */
  readonly seen: Map<SimNode, number>
}

export class RecordWatch {
  /** Reads that found the newest value, of those that should have. */
  found = 0
  asked = 0
  readonly #world: Simulation
  readonly #random: SimRandom
  readonly #watched: Watched[] = []
  readonly #few: string[] = []
  readonly #older: string[] = []
  readonly #foreign: string[] = []
  readonly #lost: string[] = []

  constructor(world: Simulation) {
    this.#world = world
    this.#random = world.random.fork('records')
  }

  /** New values for all records whose publisher runs, and `count` more records; it must be calm. */
  async write(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      const publisher = this.#random.pick(this.#world.nodes)
      const key = `/data/${publisher.peer}/watched-${this.#watched.length}`
      this.#watched.push({ key, publisher, texts: [], seen: new Map() })
    }
    for (const one of this.#watched) if (one.publisher.isRunning) await this.#publish(one)
    for (const one of this.#watched) await this.#readBySome(one)
  }

  /** Reads everything once more, and says what was ever wrong. */
  async complaints(): Promise<Oracles> {
    for (const one of this.#watched) await this.#readBySome(one)
    return {
      replicas: this.#few,
      monotonic: this.#older,
      unsigned: this.#foreign,
      readable: this.#lost,
    }
  }

  async #publish({ key, publisher, texts }: Watched): Promise<void> {
    const text = `${key} ${texts.length}`
    const { dht } = publisher.parts
    if (dht === null) return
    texts.push(text)
    const { stored } = await dht.put(key, utf8(text))
    const { replication } = publisher.config.dht
    const wanted = Math.min(replication, this.#world.nodes.length - 1)
    // One in ten may be busy or on its way out.
    if (stored.length < 0.9 * wanted) this.#few.push(`${key} lies on ${stored.length}`)
  }

  async #readBySome(watched: Watched): Promise<void> {
    for (let i = 0; i < READERS; i += 1)
      await this.#read(watched, this.#random.pick(this.#world.nodes))
  }

  async #read({ key, publisher, texts, seen }: Watched, reader: SimNode): Promise<void> {
    const report = await reader.parts.dht?.get(key)
    if (report === undefined) return
    const { value, version } = report
    const newest = texts.at(-1)
    const text = value === null ? null : fromUtf8(value)
    if (text !== null && !texts.includes(text)) this.#foreign.push(`${key} is ${text}`)
    if (version !== null) {
      const before = seen.get(reader) ?? 0
      if (version < before) this.#older.push(`${key}: ${version} after ${before}`)
      seen.set(reader, Math.max(before, version))
    }
    if (!publisher.isRunning) return
    this.asked += 1
    if (text === newest) this.found += 1
    else this.#lost.push(`${reader.host.ip} reads ${text ?? 'nothing'} for ${newest ?? key}`)
  }
}
