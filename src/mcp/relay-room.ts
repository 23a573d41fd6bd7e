/** How much is carried for others at once: by each peer that asks, and in all. */

import type { Clock } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { McpError } from './errors.ts'

export interface RelayLimits {
  readonly perPeerMax: number
  readonly max: number
  /** What may pass in any minute, both ways together. */
  readonly bytesPerPeerMax: number
  readonly bytesMax: number
}

const MINUTE_MS = 60_000
const PEERS_MAX = 4_096

interface Account {
  places: number
  bytes: number
  sinceMs: number
}

/** A place that was taken. */
export interface RelayPlace extends Disposable {
  /** Takes from the minute's bytes; throws where they are not enough. */
  spend(bytes: number): void
  /** An answer is not turned away for its size: what it is too much is missing for the next. */
  overdraw(bytes: number): void
}

export class RelayRoom {
  readonly #limits: RelayLimits
  readonly #clock: Clock
  readonly #accounts = new Map<PeerId, Account>()
  readonly #all: Account

  constructor(clock: Clock, limits: RelayLimits) {
    this.#clock = clock
    this.#limits = limits
    this.#all = { places: 0, bytes: 0, sinceMs: clock.now() }
  }

  take(peer: PeerId): RelayPlace {
    const { perPeerMax, max } = this.#limits
    const own = this.#accountOf(peer)
    const all = this.#all
    if (own.places >= perPeerMax) {
      throw McpError.BUSY({ what: `what is carried for ${peer}`, limit: perPeerMax })
    }
    if (all.places >= max) throw McpError.BUSY({ what: 'what is carried for peers', limit: max })
    own.places += 1
    all.places += 1
    let isTaken = true
    return {
      spend: (bytes) => this.#spend(peer, bytes),
      overdraw: (bytes) => this.#note(own, bytes),
      [Symbol.dispose]: () => {
        if (!isTaken) return
        isTaken = false
        own.places -= 1
        all.places -= 1
      },
    }
  }

  #spend(peer: PeerId, bytes: number): void {
    const { bytesPerPeerMax, bytesMax } = this.#limits
    const own = this.#accountOf(peer)
    for (const [account, limit] of [
      [own, bytesPerPeerMax],
      [this.#all, bytesMax],
    ] as const) {
      this.#renew(account)
      if (account.bytes + bytes > limit) {
        const whose = account === own ? peer : 'peers'
        throw McpError.BUSY({ what: `the bytes carried for ${whose} in a minute`, limit })
      }
    }
    this.#note(own, bytes)
  }

  #note(own: Account, bytes: number): void {
    own.bytes += bytes
    this.#all.bytes += bytes
  }

  #renew(account: Account): void {
    const nowMs = this.#clock.now()
    const passedMs = nowMs - account.sinceMs
    if (passedMs >= 0 && passedMs < MINUTE_MS) return
    account.bytes = 0
    account.sinceMs = nowMs
  }

  /** One without a place makes room, the longest known first: a minute's bytes are its loss. */
  #accountOf(peer: PeerId): Account {
    const known = this.#accounts.get(peer)
    if (known !== undefined) return known
    if (this.#accounts.size >= PEERS_MAX) {
      for (const [other, { places }] of this.#accounts) {
        if (places > 0) continue
        this.#accounts.delete(other)
        break
      }
    }
    const account = { places: 0, bytes: 0, sinceMs: this.#clock.now() }
    this.#accounts.set(peer, account)
    return account
  }
}
