/**
 * What this node keeps alive in the DHT: its own values and provider records, stored anew before
 * they expire, and sooner while fewer peers hold them than should. Kept in memory: after a restart
 * whoever published publishes again.
 */

import type { Clock, Logger, Random } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions } from '../net/index.ts'
import { DhtError } from './errors.ts'

/** The first pause while too few peers hold it; doubled until the regular one is reached. */
const SHORT_PAUSE_MS = 30_000
/** How many are renewed at the same time. */
const CONCURRENT = 4
/** Pauses differ by up to this share, so that what began together does not stay together. */
const JITTER = 0.1

export interface PublicationsDeps {
  readonly self: PeerId
  readonly clock: Pick<Clock, 'now'>
  readonly random: Random
  readonly log: Logger
}

export interface PublicationsConfig {
  readonly publishedMax: number
  readonly intervalMs: number
}

/** What a renewal reports; both kinds of report have this much. */
interface Outcome {
  readonly stored: readonly PeerId[]
  readonly wanted: number
}

type Renew = (options: CallOptions) => Promise<Outcome>

interface Publication {
  renew: Renew
  dueMs: number
  /** Renewals in a row that too few peers took. */
  short: number
}

export class Publications {
  readonly #deps: PublicationsDeps
  readonly #config: PublicationsConfig
  readonly #what: string
  readonly #byName = new Map<string, Publication>()

  /** `what` names them in an error: "values". */
  constructor(deps: PublicationsDeps, config: PublicationsConfig, what: string) {
    this.#deps = deps
    this.#config = config
    this.#what = what
  }

  /** Runs `publish` now, and again when it is due, until `drop`; a failure now is the caller's. */
  async keep<T extends Outcome>(
    name: string,
    publish: (options: CallOptions) => Promise<T>,
    options: CallOptions,
  ): Promise<T> {
    const { publishedMax: limit } = this.#config
    if (!this.#byName.has(name) && this.#byName.size >= limit) {
      throw DhtError.TOO_MANY({ what: this.#what, limit })
    }
    const before = this.#byName.get(name)
    const publication = { renew: publish, dueMs: Number.POSITIVE_INFINITY, short: 0 }
    this.#byName.set(name, publication)
    try {
      const outcome = await publish(options)
      this.#plan(publication, outcome)
      return outcome
    } catch (error) {
      if (this.#byName.get(name) === publication) {
        if (before === undefined) this.#byName.delete(name)
        else this.#byName.set(name, before)
      }
      throw error
    }
  }

  drop(name: string): void {
    this.#byName.delete(name)
  }

  /** Renews what is due, a few at a time; failures are tried again after a pause. */
  async renewDue(options: CallOptions): Promise<void> {
    const nowMs = this.#deps.clock.now()
    const due = [...this.#byName].filter(([, { dueMs }]) => dueMs <= nowMs)
    for (let i = 0; i < due.length; i += CONCURRENT) {
      const batch = due.slice(i, i + CONCURRENT)
      await Promise.all(batch.map(([name, publication]) => this.#renew(name, publication, options)))
    }
  }

  async #renew(name: string, publication: Publication, options: CallOptions): Promise<void> {
    if (this.#byName.get(name) !== publication) return
    publication.dueMs = Number.POSITIVE_INFINITY
    try {
      this.#plan(publication, await publication.renew(options))
    } catch (error) {
      this.#plan(publication, { stored: [], wanted: 1 })
      if (options.signal?.aborted !== true) {
        this.#deps.log.warn('renewal failed', { what: this.#what, name, error })
      }
    }
  }

  #plan(publication: Publication, { stored, wanted }: Outcome): void {
    const { self, clock, random } = this.#deps
    const { intervalMs } = this.#config
    const others = stored.filter((peer) => peer !== self).length
    const enough = stored.length >= wanted
    publication.short = enough || others === 0 ? 0 : publication.short + 1
    const pauseMs = enough ? intervalMs : SHORT_PAUSE_MS * 2 ** Math.min(publication.short, 16)
    const latestMs = Math.min(intervalMs, pauseMs)
    const jitterMs = random.int(Math.max(1, Math.floor(latestMs * JITTER)))
    publication.dueMs = clock.now() + latestMs - jitterMs
  }
}
