/**
 * Peers that are slow again and again, and for how long they are left alone. Sans I/O.
 *
 * One spell of a second in which frames for a peer had to be dropped happens to everybody. With the
 * third within a minute the peer is cooled: out of meshes and of what we publish. Each time is
 * twice as long as the one before, up to an hour; who was well for two hours begins anew. That is
 * kept by peer, not by connection: who comes back is not faster for it.
 */

export interface CoolingConfig {
  /** The first pause. */
  readonly coolingMs: number
  readonly peersMax: number
}

/** Drops within it are one spell. */
const SPELL_MS = 1_000
const SPELLS_MS = 60_000
/** So many spells within `SPELLS_MS` cool a peer. */
export const SPELLS_MAX = 3
const COOLING_MS_MAX = 3_600_000
const FORGET_MS = 7_200_000

interface Slowness {
  /** When each recent spell began. */
  readonly spells: readonly number[]
  readonly times: number
  readonly coolUntilMs: number
}

const NONE: Slowness = { spells: [], times: 0, coolUntilMs: Number.NEGATIVE_INFINITY }

export class Cooling {
  readonly #config: CoolingConfig
  /** Who was slow longest ago comes first. */
  readonly #peers = new Map<string, Slowness>()

  constructor(config: CoolingConfig) {
    this.#config = config
  }

  /** Something for `peer` was dropped; returns for how long it is left alone, if it is from now. */
  slow(peer: string, nowMs: number): number | undefined {
    const known = this.#peers.get(peer) ?? NONE
    if (known.coolUntilMs > nowMs) return undefined
    const { coolUntilMs, times } = isForgotten(known, nowMs) ? NONE : known
    const recent = known.spells.filter((atMs) => nowMs - atMs < SPELLS_MS)
    const isNew = nowMs - (recent.at(-1) ?? Number.NEGATIVE_INFINITY) >= SPELL_MS
    const spells = isNew ? [...recent, nowMs] : recent
    if (spells.length < SPELLS_MAX) {
      this.#set(peer, { spells, times, coolUntilMs })
      return undefined
    }
    const pauseMs = Math.min(COOLING_MS_MAX, this.#config.coolingMs * 2 ** Math.min(times, 20))
    this.#set(peer, { spells: [], times: times + 1, coolUntilMs: nowMs + pauseMs })
    return pauseMs
  }

  /** Whether `peer` is to be left alone now. */
  isCool(peer: string, nowMs: number): boolean {
    return (this.#peers.get(peer)?.coolUntilMs ?? Number.NEGATIVE_INFINITY) > nowMs
  }

  /** How many are left alone now. */
  count(nowMs: number): number {
    return [...this.#peers.keys()].filter((peer) => this.isCool(peer, nowMs)).length
  }

  #set(peer: string, slowness: Slowness): void {
    this.#peers.delete(peer)
    this.#peers.set(peer, slowness)
    if (this.#peers.size <= this.#config.peersMax) return
    const [first = ''] = this.#peers.keys()
    this.#peers.delete(first)
  }
}

function isForgotten({ coolUntilMs }: Slowness, nowMs: number): boolean {
  return nowMs - coolUntilMs > FORGET_MS
}
