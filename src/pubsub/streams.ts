/**
 * The streams between us and each peer that speaks gossip, kept on connections that live.
 *
 * The library opens one stream to a peer, over the connection it saw first, and stays with it.
 * Where that connection is dead and nobody has said so yet, as after the other side was started
 * again, all that is published goes nowhere; and when an old stream from a peer breaks, the library
 * forgets the peer, whatever newer one there is, and opens none again. So a peer that opens a new
 * stream while we still have one of it gets one of ours over the same connection; an old stream
 * that breaks says nothing about its peer; and what is missing is opened again, a beat later, then
 * with pauses that double.
 */

import type { Connection, PeerId as Libp2pPeerId } from '@libp2p/interface'
import type { Clock, Logger } from '../base/index.ts'
import { reasonOf } from './errors.ts'
import type { Outlets } from './outlets.ts'
import { type FrameBytes, type OutboundStream, type Stock, wrap } from './stock.ts'

export interface StreamsDeps {
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
  readonly outlets: Pick<Outlets, 'attach'>
  /** Called when a stream to a peer was opened, or could not be. */
  readonly changed: () => void
}

/** A peer that speaks gossip, and its connections, the newest last. */
interface Line {
  readonly peer: Libp2pPeerId
  connections: readonly Connection[]
  tries: number
  dueMs: number
}

const FIRST_PAUSE_MS = 1_000
const PAUSE_MS_MAX = 60_000

export class Streams {
  readonly #deps: StreamsDeps
  readonly #lines = new Map<string, Line>()
  /** The last attempt to open a stream to each peer. */
  readonly #opening = new Map<string, Promise<void>>()
  readonly #carriers = new WeakMap<OutboundStream, Connection>()

  constructor(deps: StreamsDeps) {
    this.#deps = deps
  }

  /** Stands before all streams of the router; whoever refuses some stands before this. */
  stand(stock: Stock): void {
    wrap(stock, 'onPeerConnected', (meet) => (peer, connection) => {
      this.#note(peer, connection)
      meet(peer, connection)
    })
    wrap(stock, 'onIncomingStream', (accept) => (stream, connection) => {
      const peer = connection.remotePeer
      if (stock.streamsInbound.has(peer.toString()))
        this.#follow(peer.toString(), connection, stock)
      this.#note(peer, connection)
      accept(stream, connection)
    })
    wrap(stock, 'createOutboundStream', (open) => (peer, connection) => {
      this.#open(peer.toString(), connection, { stock, open: () => open(peer, connection) })
      // Stock opens one stream after the other, so that a peer which never answers holds up all.
      return Promise.resolve()
    })
    wrap(stock, 'pipePeerReadStream', (read) => (from, frames) => {
      const id = from.toString()
      const stream = stock.streamsInbound.get(id)
      return read(
        from,
        untilReplaced(frames, () => stock.streamsInbound.get(id) === stream),
      )
    })
  }

  /** Once in each beat: opens what is missing, as far as there are connections. */
  mend(stock: Stock): void {
    const nowMs = this.#deps.clock.now()
    for (const [id, line] of this.#lines) {
      line.connections = line.connections.filter(({ status }) => status === 'open')
      const newest = line.connections.at(-1)
      if (newest === undefined) this.#lines.delete(id)
      else if (this.#isCarried(id, stock)) line.tries = 0
      else if (!this.#opening.has(id) && nowMs >= line.dueMs) {
        line.dueMs = nowMs + Math.min(PAUSE_MS_MAX, FIRST_PAUSE_MS * 2 ** line.tries)
        line.tries += 1
        this.#drop(id, stock)
        stock.onPeerConnected(line.peer, newest)
      }
    }
  }

  #note(peer: Libp2pPeerId, connection: Connection): void {
    const id = peer.toString()
    const dueMs = this.#deps.clock.now() + FIRST_PAUSE_MS
    const line = this.#lines.get(id) ?? { peer, connections: [], tries: 0, dueMs }
    this.#lines.set(id, line)
    if (!line.connections.includes(connection)) line.connections = [...line.connections, connection]
  }

  /** A peer with a new stream gave up the one before, or its connection; so do we with ours. */
  #follow(id: string, connection: Connection, stock: Stock): void {
    const stream = stock.streamsOutbound.get(id)
    const carrier = stream === undefined ? undefined : this.#carriers.get(stream)
    // By age, so that two sides that follow each other come to an end.
    if (carrier === undefined || carrier.timeline.open >= connection.timeline.open) return
    this.#drop(id, stock)
  }

  /** The library opens another as soon as it is asked for one. */
  #drop(id: string, stock: Stock): void {
    const stream = stock.streamsOutbound.get(id)
    if (stream === undefined) return
    stock.streamsOutbound.delete(id)
    stream.close().catch((error: unknown) => {
      this.#deps.log.debug('old gossip stream not closed', { peer: id, why: reasonOf(error) })
    })
  }

  #isCarried(id: string, stock: Stock): boolean {
    const stream = stock.streamsOutbound.get(id)
    if (stream === undefined) return false
    const carrier = this.#carriers.get(stream)
    return carrier === undefined || carrier.status === 'open'
  }

  #open(
    id: string,
    connection: Connection,
    { stock, open }: { readonly stock: Stock; readonly open: () => Promise<void> },
  ): void {
    const opened = (this.#opening.get(id) ?? Promise.resolve()).then(async () => {
      const before = stock.streamsOutbound.get(id)
      await open()
      const stream = stock.streamsOutbound.get(id)
      if (stream === undefined || stream === before) return
      this.#carriers.set(stream, connection)
      this.#deps.outlets.attach(id, stream)
    })
    this.#opening.set(id, opened)
    void opened.finally(() => {
      if (this.#opening.get(id) === opened) this.#opening.delete(id)
      this.#deps.changed()
    })
  }
}

/** The frames of a stream; where it breaks after another took its place, that is its end. */
async function* untilReplaced(
  frames: AsyncIterable<FrameBytes>,
  isCurrent: () => boolean,
): AsyncIterable<FrameBytes> {
  try {
    yield* frames
  } catch (error) {
    if (isCurrent()) throw error
  }
}
