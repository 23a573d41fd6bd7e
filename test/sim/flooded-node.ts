/**
 * A node as far as writes go: the policy, the handler, the records and their store on a disk, as
 * they are in a node, with time that passes when it is told to.
 */

import { createHash } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AccessPolicy, accessConfig, accessMetrics } from '../../src/access/index.ts'
import {
  type Clock,
  CodedError,
  Registry,
  seededRandom,
  silentLog,
  systemClock,
} from '../../src/base/index.ts'
import { dhtConfig } from '../../src/dht/config.ts'
import { Handler } from '../../src/dht/handler.ts'
import { contactOf } from '../../src/dht/key.ts'
import { dhtMetrics } from '../../src/dht/metrics.ts'
import { Records } from '../../src/dht/records.ts'
import { SqliteStore } from '../../src/dht/sqlite-store.ts'
import { encodeMessage, type Message } from '../../src/dht/wire.ts'
import { generateKeys, type PeerId } from '../../src/identity/index.ts'

/** What both ends agree on; work costs the flooder nothing, for it is to have all it wants. */
export const RULES = { network: 'flood', workBits: 0 }
export const START_MS = 1_800_000_000_000
const SWEEP_MS = 10_000

export class FloodedNode {
  readonly config = dhtConfig.parse({ workBits: RULES.workBits })
  nowMs = START_MS
  readonly #folder: string
  readonly #registry = new Registry()
  readonly #storage: SqliteStore
  readonly #records: Records
  readonly #handler: Handler
  readonly #events = createHash('sha256')
  #sweptMs = START_MS

  constructor(folder: string, seed: string) {
    this.#folder = folder
    this.#storage = new SqliteStore(join(folder, 'records.sqlite'))
    const clock: Clock = { ...systemClock, now: () => this.nowMs }
    const random = seededRandom(`${seed}/victim`)
    const self = contactOf(generateKeys(random).signer.peer)
    const room = { clock, random, log: silentLog, network: RULES.network }
    this.#records = new Records(
      { ...room, storage: this.#storage, self, responsible: () => true },
      this.config,
    )
    const metrics = accessMetrics(this.#registry)
    const policy = new AccessPolicy({ clock, log: silentLog, metrics }, accessConfig.parse({}))
    this.#handler = new Handler(
      {
        ...room,
        policy,
        records: this.#records,
        members: { closest: () => [] },
        book: { addressesOf: async () => [], learn: async () => undefined },
        siteOf: () => '203.0',
        metrics: dhtMetrics(this.#registry),
      },
      this.config,
    )
  }

  /** What became of one message: the answer, or the code of the refusal that ends a stream. */
  async ask(peer: PeerId, message: Message): Promise<Message | string> {
    const outcome = await this.#answer(peer, encodeMessage(message))
    const said = typeof outcome === 'string' ? outcome : (outcome.record?.value ?? 'no')
    this.#events.update(peer).update(said)
    return outcome
  }

  async #answer(peer: PeerId, frame: Uint8Array): Promise<Message | string> {
    try {
      return (await this.#handler.answer(peer, frame)) ?? 'nothing'
    } catch (error) {
      if (error instanceof CodedError) return (error as CodedError).code
      throw error
    }
  }

  pass(ms: number): void {
    this.nowMs += ms
    if (this.nowMs - this.#sweptMs < SWEEP_MS) return
    this.#sweptMs = this.nowMs
    this.#records.sweep()
  }

  /** What of all that is stored came from `peer`. */
  heldFor(peer: PeerId) {
    return this.#storage.usageOf('sender', peer)
  }

  /** The sum of a metric, with these labels. */
  count(metric: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    return this.#registry.total(metric, labels)
  }

  /** Everything that lies in its folder. */
  diskMb(): number {
    const files = readdirSync(this.#folder).map((name) => statSync(join(this.#folder, name)).size)
    return toMb(files.reduce((sum, size) => sum + size, 0))
  }

  /** Over everything that it was asked, and what became of that. */
  digest(): string {
    return this.#events.digest('hex')
  }

  close(): void {
    this.#handler.stop()
    this.#records.close()
  }
}

export function toMb(bytes: number): number {
  return Math.round((bytes / 1024 ** 2) * 100) / 100
}
