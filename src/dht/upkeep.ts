/**
 * Keeps the node's place in the network: who its neighbours are, and that no part of its table is
 * forgotten (Kademlia §2.3).
 *
 * A node that joins looks for itself, so that its neighbours and it know each other, and for a key
 * in each part of the table that has room. Whoever joins later asks those nearest to it, and we may
 * not be among them though it is among ours. So the node goes on looking for itself, with pauses
 * that double up to `refreshIntervalMs`; a newcomer nearby shortens them, for where one is, others
 * may be. The rest of the table is looked at where no lookup has touched it in that time.
 */

import { type Clock, either, type Logger, type Random } from '../base/index.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import type { DhtConfig } from './config.ts'
import type { Density } from './density.ts'
import { codeOf } from './errors.ts'
import { type Contact, dhtKey, KEY_BYTES } from './key.ts'
import type { Members } from './members.ts'
import type { Search, SearchReport } from './search.ts'

/** The pauses after the first lookup for ourselves, and after one that is due to a newcomer. */
const PAUSE_FIRST_MS = 1_000
const PAUSE_NEWCOMER_MS = 4_000

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
  #refreshedMs: number | undefined

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
      this.#hurry(clock.now() + PAUSE_NEWCOMER_MS, PAUSE_NEWCOMER_MS)
    }
  }

  /** Looks at what nobody looked at for `refreshIntervalMs`; called often. Never rejects. */
  async maintain(): Promise<void> {
    const { clock, members, random } = this.#deps
    const { refreshIntervalMs } = this.#config
    // Nodes that start together refresh at times of their own.
    this.#refreshedMs ??= clock.now() - random.int(refreshIntervalMs)
    if (clock.now() - this.#refreshedMs >= refreshIntervalMs) {
      this.#refreshedMs = clock.now()
      for (const key of members.refreshKeys(refreshIntervalMs)) await this.#lookFor(key)
    } else if (members.density.isVague) await this.#lookFor(random.bytes(KEY_BYTES))
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
      if ((await this.#search(peerIdToBytes(self))) !== undefined) members.settled()
      for (const key of members.joinKeys()) await this.#lookFor(key)
      if (hasNewcomer(before, members.neighbours())) {
        this.#pauseMs = Math.min(this.#pauseMs, PAUSE_NEWCOMER_MS)
      }
      this.#dueMs = clock.now() + this.#pauseMs
      this.#pauseMs = Math.min(2 * this.#pauseMs, this.#config.refreshIntervalMs)
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
    const report = await this.#search(key)
    if (report !== undefined) this.#deps.members.density.note(dhtKey(key), report.vouched)
  }

  async #search(key: Uint8Array): Promise<SearchReport | undefined> {
    try {
      const { signal } = this.#life
      const report = await this.#deps.search.run({ type: 'findNode', key }, { signal })
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
