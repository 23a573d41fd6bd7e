/**
 * Two streams of a relay joined into one circuit: what arrives on one leaves on the other, no
 * faster than it is taken, and no more than the relay lets pass. What passes is encrypted between
 * the two ends, so nothing here can read it.
 */

import type { Stream } from '@libp2p/interface'
import type { Clock } from '../base/index.ts'
import { NetError, reasonOf } from './errors.ts'

export interface SpliceLimits {
  readonly bytesMax: number
  readonly timeoutMs: number
  readonly clock: Clock
  /** Asked before bytes are passed on; what it says is the reason to end the circuit. */
  charge(bytes: number): string | undefined
}

/** Resolves when the circuit has ended, in whichever way. */
export async function splice(a: Stream, b: Stream, limits: SpliceLimits): Promise<void> {
  const ended = Promise.withResolvers<void>()
  const cut = (reason: string) => {
    const error = NetError.CONNECTION_DROPPED({ reason })
    a.abort(error)
    b.abort(error)
    ended.resolve()
  }
  using time = limits.clock.deadline(limits.timeoutMs)
  const late = () => cut(`the relay keeps a circuit for ${limits.timeoutMs} ms at most`)
  time.signal.addEventListener('abort', late, { once: true })
  pass(a, b, limits, cut)
  pass(b, a, limits, cut)
  const closed = () => {
    if (isOver(a) && isOver(b)) ended.resolve()
  }
  for (const stream of [a, b]) stream.addEventListener('close', closed, { once: true })
  closed()
  await ended.promise
  time.signal.removeEventListener('abort', late)
}

type Cut = (reason: string) => void

const GONE = 'the connection of one side has ended'

function pass(from: Stream, to: Stream, limits: SpliceLimits, cut: Cut): void {
  if (isOver(from)) cut(GONE)
  let left = limits.bytesMax
  from.addEventListener('message', ({ data }) => {
    left -= data.byteLength
    const refusal = left < 0 ? 'bytes of this circuit' : limits.charge(data.byteLength)
    if (refusal !== undefined) {
      cut(`the relay lets no more pass: ${refusal}`)
      return
    }
    try {
      if (!to.send(data) && from.readStatus === 'readable') from.pause()
    } catch (error) {
      cut(reasonOf(error))
    }
  })
  to.addEventListener('drain', () => {
    if (from.readStatus === 'paused') from.resume()
  })
  let isFinished = false
  const finish = () => {
    isFinished = true
    to.close().catch((error: unknown) => {
      cut(reasonOf(error))
    })
  }
  from.addEventListener('remoteCloseWrite', finish, { once: true })
  if (from.remoteWriteStatus === 'closed') finish()
  from.addEventListener('close', ({ error }) => {
    if (error !== undefined) cut(reasonOf(error))
    // A connection that ends without an error ends its streams without a goodbye.
    else if (!isFinished) cut(GONE)
  })
}

function isOver({ status }: Stream): boolean {
  return status !== 'open' && status !== 'closing'
}
