/**
 * How fast bytes may pass in one direction, shared fairly between peers. Sans I/O.
 *
 * Bytes are paid after they passed, so that nobody needs to know before how many come: who owes
 * waits. The bucket of all pays those who owe in equal parts, a peer's own bucket what it is still
 * allowed; so a peer with many connections has no more than one with a single one, and what one
 * peer does not use the others get.
 */

export interface Rates {
  /** Bytes a millisecond; 0 is without a limit. */
  readonly total: number
  readonly perPeer: number
}

/** What may pass at once after a pause. */
const BURST_MS = 50
const BURST_BYTES_MIN = 64 * 1_024

export class Shares {
  readonly #rates: Rates
  readonly #all: Bucket
  /** Those who owe or have not saved up again; others have all that a bucket holds. */
  readonly #peers = new Map<string, Bucket>()
  readonly #debts = new Map<string, number>()

  constructor(rates: Rates, nowMs: number) {
    this.#rates = rates
    this.#all = new Bucket(nowMs)
  }

  /** How many owe. */
  get debtors(): number {
    return this.#debts.size
  }

  /** Notes that `bytes` passed; whether the peer may go on at once. */
  charge(peer: string, bytes: number, nowMs: number): boolean {
    const { total, perPeer } = this.#rates
    if (total <= 0 && perPeer <= 0 && this.#debts.size === 0) return true
    this.#debts.set(peer, (this.#debts.get(peer) ?? 0) + bytes)
    // Among others who wait it waits for its turn; alone it is paid as far as there is something.
    if (this.#debts.size === 1) this.settle(nowMs)
    return !this.#debts.has(peer)
  }

  /** Pays what can be paid now; who owes nothing any more may go on. */
  settle(nowMs: number): readonly string[] {
    const { total, perPeer } = this.#rates
    this.#all.fill(total, nowMs)
    const free: string[] = []
    // Those who owe or may have least come first, so that what they leave goes to the others.
    const wants = [...this.#debts]
      .map(([peer, debt]) => ({ peer, debt, wanted: Math.min(debt, this.#savings(peer, nowMs)) }))
      .sort((a, b) => a.wanted - b.wanted)
    for (const [i, { peer, debt, wanted }] of wants.entries()) {
      const share = total <= 0 ? wanted : this.#all.bytes / (wants.length - i)
      const paid = Math.min(wanted, share)
      if (total > 0) this.#all.bytes -= paid
      if (perPeer > 0) this.#bucket(peer, nowMs).bytes -= paid
      if (debt - paid > 0.5) this.#debts.set(peer, debt - paid)
      else {
        this.#debts.delete(peer)
        free.push(peer)
      }
    }
    this.#forgetFull(nowMs)
    return free
  }

  #savings(peer: string, nowMs: number): number {
    const { perPeer } = this.#rates
    if (perPeer <= 0) return Number.POSITIVE_INFINITY
    const bucket = this.#bucket(peer, nowMs)
    bucket.fill(perPeer, nowMs)
    return bucket.bytes
  }

  #bucket(peer: string, nowMs: number): Bucket {
    const bucket = this.#peers.get(peer) ?? new Bucket(nowMs)
    this.#peers.set(peer, bucket)
    return bucket
  }

  #forgetFull(nowMs: number): void {
    for (const [peer, bucket] of this.#peers) {
      if (this.#debts.has(peer)) continue
      bucket.fill(this.#rates.perPeer, nowMs)
      if (bucket.isFull) this.#peers.delete(peer)
    }
  }
}

class Bucket {
  bytes = Number.POSITIVE_INFINITY
  isFull = true
  #filledAtMs: number

  constructor(nowMs: number) {
    this.#filledAtMs = nowMs
  }

  /** A clock that was set back adds nothing. */
  fill(rate: number, nowMs: number): void {
    const most = Math.max(BURST_BYTES_MIN, rate * BURST_MS)
    const added = Math.max(0, nowMs - this.#filledAtMs) * rate
    this.#filledAtMs = nowMs
    this.bytes = Math.min(most, this.bytes + added)
    this.isFull = this.bytes >= most
  }
}
