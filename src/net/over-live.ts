/**
 * Work over the best connection to a peer; where that one ends under it, over the next.
 *
 * A connection may be replaced by a better one, or be dead without anybody having said so, at the
 * moment that it is chosen. Then what was to begin on it begins on another, as long as nothing of
 * it can have reached the other side: so it is for opening streams and for pings alone.
 */

import type { Connection } from '@libp2p/interface'
import { type Clock, race, secureRandom } from '../base/index.ts'
import { NetError } from './errors.ts'
import { bestOf } from './paths.ts'

export interface Live {
  readonly clock: Clock
  /** The live connections of the peer. */
  connections(): readonly Connection[]
  /** For all tries together. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** How long one connection may be silent while there is another to try. */
const SHARE_MS = 3_000
const TRIES_MAX = 3

/** Rejects with what went wrong over the last connection tried. */
export async function overLive<T>(
  first: Connection,
  { clock, connections, timeoutMs, signal }: Live,
  work: (connection: Connection, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const tried: Connection[] = []
  const next = () => bestOf(connections().filter((one) => !tried.includes(one)))
  using total = clock.deadline(timeoutMs, signal)
  let connection = first
  for (;;) {
    tried.push(connection)
    const isLast = tried.length === TRIES_MAX || next() === undefined
    using share = clock.deadline(isLast ? timeoutMs : SHARE_MS, total.signal)
    try {
      return await race(work(connection, share.signal), share.signal)
    } catch (error) {
      const isAlive = connection.status === 'open' && !share.signal.aborted
      const other = tried.length < TRIES_MAX ? next() : undefined
      if (isAlive || total.signal.aborted || other === undefined) throw error
      connection = other
    }
  }
}

const PING = '/ipfs/ping/1.0.0'
const PING_BYTES = 32
/** A peer answers few pings at a time on a connection, and may drop one for the next. */
const PINGS_MAX = 3
const AGAIN_MS = 100

/**
 * One round trip over this connection, in milliseconds. libp2p specification, ping/ping.md. Where
 * the other side ends a ping without an answer, it is asked again, as long as the connection lives.
 */
export async function pingOver(
  connection: Connection,
  clock: Clock,
  signal: AbortSignal,
): Promise<number> {
  for (let left = PINGS_MAX - 1; ; left -= 1) {
    const ms = await onePing(connection, clock, signal)
    if (ms !== undefined) return ms
    if (left > 0) await clock.sleep(AGAIN_MS, signal)
    if (left > 0 && connection.status === 'open') continue
    throw NetError.CONNECTION_DROPPED({ reason: 'the stream of the ping ended' })
  }
}

/** Undefined where its stream ended without an answer. */
async function onePing(
  connection: Connection,
  clock: Clock,
  signal: AbortSignal,
): Promise<number | undefined> {
  const bytes = secureRandom.bytes(PING_BYTES)
  const stream = await connection.newStream(PING, { signal, runOnLimitedConnection: true })
  try {
    const answer = Promise.withResolvers<Uint8Array | undefined>()
    // Where sending fails, nobody waits for it any more.
    answer.promise.catch(() => undefined)
    let heard = new Uint8Array()
    stream.addEventListener('message', ({ data }) => {
      heard = Buffer.concat([heard, data.subarray()])
      if (heard.length >= PING_BYTES) answer.resolve(heard)
    })
    stream.addEventListener('close', () => answer.resolve(undefined))
    const sentAtMs = clock.now()
    stream.send(bytes)
    const echoed = await race(answer.promise, signal)
    if (echoed === undefined) return undefined
    if (Buffer.compare(echoed, bytes) === 0) return clock.now() - sentAtMs
    throw NetError.CONNECTION_DROPPED({ reason: 'a ping came back changed' })
  } finally {
    stream.abort(NetError.CONNECTION_DROPPED({ reason: 'the ping is over' }))
  }
}
