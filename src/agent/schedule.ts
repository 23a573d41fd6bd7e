/**
 * Which message is tried next: who has waited longest past its time, among those that have a place.
 *
 * So many are tried at once, so many of them for one recipient. What is tried for the first time,
 * or because its recipient is back, waits in another line than what is tried again, and neither
 * line has all the places: thousands of messages for who is away hold up nobody else's, and each of
 * them has its turn. Pure: it is told what time it is, and a clock that is set back moves what was
 * planned with it.
 */

import { PriorityQueue } from '../base/index.ts'

export interface Places {
  readonly all: number
  readonly perRecipient: number
}

/** One message in a line. */
interface Turn<Item> {
  readonly item: Item
  readonly to: string
  dueMs: number
  /** Of two that are due at once, who came first. */
  readonly n: number
  readonly line: Line<Item>
}

/** Those of one kind. */
interface Line<Item> {
  turns: PriorityQueue<Turn<Item>>
  busy: number
}

/** Neither line has more than this part of all places. */
const LINE_PART = 0.75
/** A clock that is set back by less puts nothing off for long. */
const JUMP_MS = 1_000
/** A line with so many turns that nobody takes any more is made anew. */
const STALE_MAX = 1_024

export class Schedule<Item extends object> {
  readonly #places: Places
  readonly #first: Line<Item> = { turns: inOrder([]), busy: 0 }
  readonly #again: Line<Item> = { turns: inOrder([]), busy: 0 }
  /** The turn of an item that counts; others of it are left in their lines and passed over. */
  readonly #turns = new Map<Item, Turn<Item>>()
  readonly #busy = new Map<Item, Turn<Item>>()
  readonly #busyOf = new Map<string, number>()
  /** Due, and waiting for another of the same recipient to end. */
  readonly #behind = new Map<string, PriorityQueue<Turn<Item>>>()
  #planned = 0
  #nowMs = Number.NEGATIVE_INFINITY

  constructor(places: Places) {
    this.#places = places
  }

  /** How many have begun and not ended. */
  get busy(): number {
    return this.#busy.size
  }

  /** Its turn is at `dueMs`, in place of any it had; nothing for what has begun. */
  plan(item: Item, turn: { readonly to: string; readonly dueMs: number; isAgain: boolean }): void {
    if (this.#busy.has(item)) return
    const { to, dueMs, isAgain } = turn
    this.#planned += 1
    const line = isAgain ? this.#again : this.#first
    const next = { item, to, dueMs, n: this.#planned, line }
    this.#turns.set(item, next)
    line.turns.push(next)
  }

  /** It has no turn any more. */
  drop(item: Item): void {
    this.#turns.delete(item)
  }

  /** Begins an item out of turn; false where there is no place for it. */
  begin(item: Item): boolean {
    const turn = this.#turns.get(item)
    if (turn === undefined || !this.#hasPlace(turn)) return false
    this.#turns.delete(item)
    this.#busy.set(item, turn)
    turn.line.busy += 1
    this.#busyOf.set(turn.to, (this.#busyOf.get(turn.to) ?? 0) + 1)
    return true
  }

  /** An item that had begun has ended: there is a place for another one of its recipient. */
  end(item: Item): void {
    const turn = this.#busy.get(item)
    if (turn === undefined) return
    this.#busy.delete(item)
    turn.line.busy -= 1
    const left = (this.#busyOf.get(turn.to) ?? 1) - 1
    if (left === 0) this.#busyOf.delete(turn.to)
    else this.#busyOf.set(turn.to, left)
    this.#letNext(turn.to)
  }

  /** Begins whoever's turn it is; undefined where it is nobody's, or there is no place. */
  next(nowMs: number): Item | undefined {
    this.#follow(nowMs)
    for (const line of [this.#first, this.#again]) {
      for (;;) {
        const turn = this.#top(line)
        if (turn === undefined || turn.dueMs > nowMs || !this.#hasRoom(line)) break
        line.turns.pop()
        if (this.begin(turn.item)) return turn.item
        const behind = this.#behind.get(turn.to) ?? inOrder([])
        this.#behind.set(turn.to, behind)
        behind.push(turn)
      }
    }
    return undefined
  }

  /** When the next one is due that is not due yet; undefined where none is planned. */
  dueMs(nowMs: number): number | undefined {
    const due = [this.#first, this.#again].map((line) => this.#top(line)?.dueMs)
    const later = due.filter((at) => at !== undefined && at > nowMs) as number[]
    return later.length === 0 ? undefined : Math.min(...later)
  }

  #hasRoom({ busy }: Line<Item>): boolean {
    const { all } = this.#places
    return this.#busy.size < all && busy < Math.max(1, Math.floor(all * LINE_PART))
  }

  #hasPlace({ to, line }: Turn<Item>): boolean {
    return this.#hasRoom(line) && (this.#busyOf.get(to) ?? 0) < this.#places.perRecipient
  }

  /** Whose turn is first of those that still count. */
  #top(line: Line<Item>): Turn<Item> | undefined {
    if (line.turns.length > 2 * this.#turns.size + STALE_MAX) line.turns = this.#cleared(line.turns)
    for (let turn = line.turns.peek(); turn !== undefined; turn = line.turns.peek()) {
      if (this.#turns.get(turn.item) === turn) return turn
      line.turns.pop()
    }
    return undefined
  }

  /** One of those that waited behind others of the same recipient stands in its line again. */
  #letNext(to: string): void {
    const behind = this.#behind.get(to)
    if (behind === undefined) return
    for (let turn = behind.pop(); turn !== undefined; turn = behind.pop()) {
      if (this.#turns.get(turn.item) !== turn) continue
      turn.line.turns.push(turn)
      break
    }
    if (behind.length === 0) this.#behind.delete(to)
  }

  #follow(nowMs: number): void {
    const backMs = this.#nowMs - nowMs
    this.#nowMs = nowMs
    if (backMs < JUMP_MS) return
    for (const turn of this.#turns.values()) turn.dueMs -= backMs
    for (const line of [this.#first, this.#again]) line.turns = this.#cleared(line.turns)
    for (const [to, turns] of this.#behind) this.#behind.set(to, this.#cleared(turns))
  }

  #cleared({ data }: PriorityQueue<Turn<Item>>): PriorityQueue<Turn<Item>> {
    return inOrder(data.filter((turn) => this.#turns.get(turn.item) === turn))
  }
}

function inOrder<Item>(turns: Turn<Item>[]): PriorityQueue<Turn<Item>> {
  return new PriorityQueue(turns, (one, other) => {
    if (one.dueMs === other.dueMs) return one.n - other.n
    return one.dueMs < other.dueMs ? -1 : 1
  })
}
