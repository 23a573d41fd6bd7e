/**
 * Places for requests in work, and the queue for those that must wait for one. Sans I/O.
 *
 * A place is counted for the peer that asks, for the service, for the tool, and for this peer at
 * this tool (`shares.ts`), so that a peer that asks much, a service that is stuck and a tool that
 * never ends fill their own share and leave places to the others. Who waits is served in turn: one
 * peer after the other, and of each peer one tool after the other, so that calls of a stuck tool do
 * not stand before others.
 *
 * What waits is bounded for each peer and in all, in number and in bytes. A request above a bound
 * is still taken; the stream that it came on must not be read until `room()`, so no stream can be
 * ahead of the bound by more than the one frame that it has in hand.
 */

import { Shares } from './shares.ts'

export interface FairQueueLimits {
  /** Places. Asked for at each use: the configuration may change. */
  readonly max: () => number
  readonly waitingMax: number
  readonly waitingPerPeerMax: number
  readonly bytesMax: number
  readonly bytesPerPeerMax: number
}

/** Who asks for what. */
export interface Asked {
  readonly peer: string
  readonly service: string
  readonly tool: string
  /** What is held in memory while it waits. */
  readonly bytes: number
  /** Called when a place comes free, and not from within `enter()`. */
  readonly start: () => void
}

/** One request's place, or its wait for one. */
export interface Place {
  /** Whether it has its place. */
  readonly started: boolean
  /** Gives the place back, or stops waiting; once is enough. */
  leave(): void
}

/**
 * A peer and a service that are alone have nine tenths of the places, a tool two thirds: so a tool
 * that is stuck leaves some to the others of its service, and a service some to other services.
 * One peer at one tool has half, so that it leaves some of that tool to the next peer.
 */
const FACTORS = [9, 9, 2, 1]

interface Waiting {
  readonly lanes: Map<string, Ticket[]>
  count: number
  bytes: number
}

interface Ticket {
  readonly asked: Asked
  readonly accounts: readonly string[]
  readonly lane: string
  state: 'waiting' | 'started' | 'gone'
}

export class FairQueue {
  readonly #limits: FairQueueLimits
  readonly #places: Shares
  /** Peers that wait, in the order of their turn; and of each its tools, likewise. */
  readonly #peers = new Map<string, Waiting>()
  readonly #heldBack = new Map<string, PromiseWithResolvers<void>>()
  #waiting = 0
  #bytes = 0

  constructor(limits: FairQueueLimits) {
    this.#limits = limits
    this.#places = new Shares({ max: limits.max, factors: FACTORS })
  }

  get inWork(): number {
    return this.#places.used
  }

  get waiting(): number {
    return this.#waiting
  }

  get waitingBytes(): number {
    return this.#bytes
  }

  /** Accounts and queues that are kept: none when nothing is in work and nothing waits. */
  get accounts(): number {
    return this.#places.accounts + this.#peers.size + this.#heldBack.size
  }

  enter(asked: Asked): Place {
    const { peer, service, tool } = asked
    const lane = `${service}/${tool}`
    const accounts = [`peer ${peer}`, `service ${service}`, `tool ${lane}`, `${peer} at ${lane}`]
    const ticket: Ticket = { asked, accounts, lane, state: 'waiting' }
    const isNext = this.#peers.get(peer)?.lanes.has(lane) !== true
    if (isNext && this.#places.take(accounts)) ticket.state = 'started'
    else this.#wait(ticket)
    return {
      get started() {
        return ticket.state === 'started'
      },
      leave: () => this.#leave(ticket),
    }
  }

  /** Resolves once more of `peer` may be read; `undefined` where that is so already. */
  room(peer: string): Promise<void> | undefined {
    if (!this.#isFull(peer)) return undefined
    const known = this.#heldBack.get(peer)
    if (known !== undefined) return known.promise
    const room = Promise.withResolvers<void>()
    this.#heldBack.set(peer, room)
    return room.promise
  }

  #isFull(peer: string): boolean {
    const waiting = this.#peers.get(peer)
    if (waiting === undefined) return false
    const { waitingMax, waitingPerPeerMax, bytesMax, bytesPerPeerMax } = this.#limits
    const isFull = this.#waiting >= waitingMax || this.#bytes >= bytesMax
    return isFull || waiting.count >= waitingPerPeerMax || waiting.bytes >= bytesPerPeerMax
  }

  #wait(ticket: Ticket): void {
    const { peer, bytes } = ticket.asked
    const waiting = this.#peers.get(peer) ?? {
      lanes: new Map<string, Ticket[]>(),
      count: 0,
      bytes: 0,
    }
    this.#peers.set(peer, waiting)
    const lane = waiting.lanes.get(ticket.lane)
    if (lane === undefined) waiting.lanes.set(ticket.lane, [ticket])
    else lane.push(ticket)
    waiting.count += 1
    waiting.bytes += bytes
    this.#waiting += 1
    this.#bytes += bytes
  }

  #leave(ticket: Ticket): void {
    const { state } = ticket
    ticket.state = 'gone'
    if (state === 'waiting') this.#unwait(ticket)
    if (state !== 'started') return
    this.#places.give(ticket.accounts)
    while (this.#startNext()) {
      // Until nobody who waits may have a place: what one gives back can serve several.
    }
  }

  /** Starts whoever's turn it is, and says whether there was anybody. */
  #startNext(): boolean {
    for (const [peer, waiting] of this.#peers) {
      if (!this.#places.fits([`peer ${peer}`])) continue
      for (const [next] of waiting.lanes.values()) {
        if (next === undefined || !this.#places.take(next.accounts)) continue
        next.state = 'started'
        this.#unwait(next)
        this.#toTheEnd(peer, next.lane)
        next.asked.start()
        return true
      }
    }
    return false
  }

  #unwait({ asked, lane }: Ticket): void {
    const { peer, bytes } = asked
    const waiting = this.#peers.get(peer)
    const tickets = waiting?.lanes.get(lane)
    if (waiting === undefined || tickets === undefined) return
    const left = tickets.filter((ticket) => ticket.state === 'waiting')
    if (left.length > 0) waiting.lanes.set(lane, left)
    else waiting.lanes.delete(lane)
    waiting.count -= 1
    waiting.bytes -= bytes
    this.#waiting -= 1
    this.#bytes -= bytes
    if (waiting.count === 0) this.#peers.delete(peer)
    for (const [held, room] of this.#heldBack) {
      if (this.#isFull(held)) continue
      this.#heldBack.delete(held)
      room.resolve()
    }
  }

  #toTheEnd(peer: string, lane: string): void {
    const waiting = this.#peers.get(peer)
    if (waiting === undefined) return
    const tickets = waiting.lanes.get(lane)
    if (tickets !== undefined) {
      waiting.lanes.delete(lane)
      waiting.lanes.set(lane, tickets)
    }
    this.#peers.delete(peer)
    this.#peers.set(peer, waiting)
  }
}
