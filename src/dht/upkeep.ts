/**
 * Keeps the node's place in the network: who its neighbours are, and that no part of its table is
 * forgotten (Kademlia §2.3).
 *
 * A node that joins looks for itself, so that its neighbours and it know each other, and for a key
 * in each part of the table that has room. Whoever joins later asks those nearest to it, and we may
 * not be among them though it is among ours. So the node goes on looking for itself, with pauses
 * that grow up to `refreshIntervalMs`; a newcomer nearby shortens them, for where one is, others
 * may be. The rest of the table is looked at where no lookup has touched it in that time.
 *
 * A hundred nodes that start together are a hundred newcomers to each other. Where looking takes
 * long, because the machine or the network is busy, the pauses are longer in proportion: else they
 * would keep it busy with looking around.
 */

import { type Clock, either, type Logger, type Random } from '../base/index.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import type { DhtConfig } from './config.ts'
import type { Density } from './density.ts'
import { codeOf } from './errors.ts'
import { type Contact, dhtKey, KEY_BYTES } from './key.ts'
import type { Members } from './members.ts'
import type { Search, SearchOptions, SearchReport } from './search.ts'

/** The pauses after the first lookup for ourselves, and after one that is due to a newcomer. */
const PAUSE_FIRST_MS = 1_000
const PAUSE_NEWCOMER_MS = 4_000
/** How much longer each pause is than the one before while nobody new is found. */
const PAUSE_GROWTH = 4
/** A pause is so many times as long as the lookup before it, up to a bound: liars may dawdle. */
const PAUSE_SHARE = 5
const PAUSE_SHARE_MAX_MS = 30_000
/** While it is vague how many peers there are, how long to wait before each lookup that tells. */
const VAGUE_MS = 60_000
/**
 * Paths of a lookup for a random key. Only who answers for itself comes into the table, and who is
 * named on one path alone does not count for how many peers there are: liars gain nothing by it.
 */
const RANDOM_PATHS = 2

export interface UpkeepDeps {
  readonly self: PeerId
  readonly members: Pick<
    Members,
    'size' | 'neighbours' | 'settled' | 'refreshKeys' | 'joinKeys'
  > & {
    readonly density: Pick<Density, 'isVague' | 'note'>
  }
  readonly search: Pick<Search, 'run'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export class Upkeep {
  readonly #deps: UpkeepDeps
  readonly #config: DhtConfig
  readonly #life = new AbortController()
  #looking: Promise<void> | undefined
  #wake = new AbortController()
  #pauseMs = PAUSE_FIRST_MS
  #dueMs = 0
  /** What the last lookup for ourselves took says how soon another may follow. */
  #restMs = 0
  #refreshedMs: number | undefined
  #vagueMs: number | undefined

  constructor(deps: UpkeepDeps, config: DhtConfig) {
    this.#deps = deps
    this.#config = config
  }

  /** A peer came into the table; the first starts it all. */
  met(peer: PeerId): void {
    const { members, clock } = this.#deps
    this.#looking ??= this.#lookAround()
    // We were alone, so this peer knows what we have missed.
    if (members.size === 1) this.#hurry(clock.now(), PAUSE_FIRST_MS)
    else if (members.neighbours().some((near) => near.peer === peer)) {
      const pauseMs = Math.max(PAUSE_NEWCOMER_MS, this.#restMs)
      this.#hurry(clock.now() + pauseMs, PAUSE_NEWCOMER_MS)
    }
  }

  /** Looks at what nobody looked at for `refreshIntervalMs`; called often. Never rejects. */
  async maintain(): Promise<void> {
    const { clock, members, random } = this.#deps
    const { refreshIntervalMs } = this.#config
    // Nodes that start together refresh at times of their own.
    this.#refreshedMs ??= clock.now() - random.int(refreshIntervalMs)
    this.#vagueMs ??= clock.now() - random.int(VAGUE_MS)
    if (clock.now() - this.#refreshedMs >= refreshIntervalMs) {
      this.#refreshedMs = clock.now()
      for (const key of members.refreshKeys(refreshIntervalMs)) await this.#lookFor(key)
    } else if (members.density.isVague && clock.now() - this.#vagueMs >= VAGUE_MS) {
      this.#vagueMs = clock.now()
      await this.#lookFor(random.bytes(KEY_BYTES))
    }
  }

  async stop(): Promise<void> {
    this.#life.abort()
    await this.#looking
  }

  async #lookAround(): Promise<void> {
    const { clock, members, self } = this.#deps
    const { signal } = this.#life
    while (!signal.aborted) {
      const before = members.neighbours()
      const beganMs = clock.now()
      if ((await this.#search(peerIdToBytes(self))) !== undefined) members.settled()
      const tookMs = Math.max(0, clock.now() - beganMs)
      this.#restMs = Math.min(PAUSE_SHARE * tookMs, PAUSE_SHARE_MAX_MS)
      for (const key of members.joinKeys()) await this.#lookFor(key)
      if (hasNewcomer(before, members.neighbours())) {
        this.#pauseMs = Math.min(this.#pauseMs, PAUSE_NEWCOMER_MS)
      }
      this.#dueMs = clock.now() + Math.max(this.#pauseMs, this.#restMs)
      this.#pauseMs = Math.min(PAUSE_GROWTH * this.#pauseMs, this.#config.refreshIntervalMs)
      await this.#pause()
    }
  }

  /** Waits until `#dueMs`, which may come nearer meanwhile. */
  async #pause(): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#life
    for (let ms = this.#dueMs - clock.now(); ms > 0; ms = this.#dueMs - clock.now()) {
      this.#wake = new AbortController()
      using woken = either(signal, this.#wake.signal)
      await clock.sleep(ms, woken.signal).catch(() => undefined)
      if (signal.aborted) return
    }
  }

  #hurry(dueMs: number, pauseMs: number): void {
    this.#pauseMs = Math.min(this.#pauseMs, pauseMs)
    if (dueMs >= this.#dueMs) return
    this.#dueMs = dueMs
    this.#wake.abort()
  }

  /** Nobody could choose such a key, so who lies around it also tells how many peers there are. */
  async #lookFor(key: Uint8Array): Promise<void> {
    const report = await this.#search(key, { paths: RANDOM_PATHS })
    if (report !== undefined) this.#deps.members.density.note(dhtKey(key), report.vouched)
  }

  async #search(key: Uint8Array, options: SearchOptions = {}): Promise<SearchReport | undefined> {
    try {
      const { signal } = this.#life
      const report = await this.#deps.search.run({ type: 'findNode', key }, { ...options, signal })
      return report.complete ? report : undefined
    } catch (error) {
      if (!this.#life.signal.aborted) this.#deps.log.warn('lookup failed', { code: codeOf(error) })
      return undefined
    }
  }
}

function hasNewcomer(before: readonly Contact[], after: readonly Contact[]): boolean {
  return after.some(({ peer }) => !before.some((known) => known.peer === peer))
}
