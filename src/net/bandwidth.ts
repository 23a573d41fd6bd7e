/**
 * The limit on what connections send and receive. Whoever is over it waits: a line is not read
 * for a while, so that the other side is held back, and says that it takes nothing more; nothing
 * is dropped. Counted are the bytes of TCP connections and, over QUIC, those of streams; single
 * datagrams of the DHT are not.
 */

import type { MultiaddrConnection } from '@libp2p/interface'
import type { AbstractMessageStream, SendResult } from '@libp2p/utils'
import type { Clock } from '../base/index.ts'
import { type Rates, Shares } from './bandwidth-shares.ts'
import type { NetConfig } from './config.ts'

type BandwidthConfig = Pick<NetConfig, 'bandwidthMaxMbps' | 'bandwidthPerPeerMaxMbps'>

/** `in` is what we receive. */
export type Way = 'in' | 'out'

/** A megabit a second, in bytes a millisecond. */
const BYTES_PER_MS = 125
const TICK_MS = 10

export class Bandwidth {
  readonly #clock: Clock
  readonly #ways: Readonly<Record<Way, OneWay>>
  readonly #stopped = new AbortController()

  constructor(clock: Clock, config: BandwidthConfig) {
    this.#clock = clock
    const rates: Rates = {
      get total() {
        return config.bandwidthMaxMbps * BYTES_PER_MS
      },
      get perPeer() {
        return config.bandwidthPerPeerMaxMbps * BYTES_PER_MS
      },
    }
    const way = (): OneWay => {
      return { shares: new Shares(rates, clock.now()), waiting: new Map(), isPaying: false }
    }
    this.#ways = { in: way(), out: way() }
  }

  /** Notes bytes that passed; a promise where whoever passed them must wait for its end. */
  pass(way: Way, peer: string, bytes: number): Promise<void> | undefined {
    const one = this.#ways[way]
    if (one.shares.charge(peer, bytes, this.#clock.now())) {
      free(one, peer)
      return undefined
    }
    const waiting = one.waiting.get(peer) ?? Promise.withResolvers<void>()
    one.waiting.set(peer, waiting)
    if (!one.isPaying) void this.#pay(one)
    return waiting.promise
  }

  /** Nobody waits any more, and nothing keeps the process. */
  stop(): void {
    this.#stopped.abort()
    for (const one of Object.values(this.#ways)) {
      for (const peer of one.waiting.keys()) free(one, peer)
    }
  }

  /** One loop for each direction, and only while somebody owes. */
  async #pay(one: OneWay): Promise<void> {
    one.isPaying = true
    while (one.shares.debtors > 0 && !this.#stopped.signal.aborted) {
      await this.#clock.sleep(TICK_MS, this.#stopped.signal).catch(() => undefined)
      for (const peer of one.shares.settle(this.#clock.now())) free(one, peer)
    }
    one.isPaying = false
  }
}

interface OneWay {
  readonly shares: Shares
  readonly waiting: Map<string, PromiseWithResolvers<void>>
  isPaying: boolean
}

function free(one: OneWay, peer: string): void {
  one.waiting.get(peer)?.resolve()
  one.waiting.delete(peer)
}

/** What is used of a line beyond its public face. */
type Line = Pick<
  AbstractMessageStream,
  'onData' | 'sendData' | 'sendPause' | 'sendResume' | 'readStatus' | 'safeDispatchEvent'
> & { readonly socket?: { readonly writableNeedDrain: boolean } }

/** Holds a connection of bytes to the limit; `peer` is who is at its other end, when known. */
export function throttle(
  connection: MultiaddrConnection,
  bandwidth: Bandwidth,
  peer: () => string,
): void {
  const line = connection as unknown as Line
  throttleReading(line, (bytes) => bandwidth.pass('in', peer(), bytes))
  throttleWriting(line, (bytes) => bandwidth.pass('out', peer(), bytes))
}

type Pass = (bytes: number) => Promise<void> | undefined

function throttleReading(line: Line, pass: Pass): void {
  const deliver = line.onData.bind(line)
  let isHeld = false
  line.onData = (data) => {
    const bytes = data.byteLength
    deliver(data)
    const paid = pass(bytes)
    if (paid === undefined || isHeld) return
    isHeld = true
    line.sendPause()
    void paid.then(() => {
      isHeld = false
      if (line.readStatus !== 'paused') line.sendResume()
    })
  }
}

function throttleWriting(line: Line, pass: Pass): void {
  const send = line.sendData.bind(line)
  const dispatch = line.safeDispatchEvent.bind(line)
  let isHeld = false
  line.sendData = (data): SendResult => {
    const result = send(data)
    const paid = pass(result.sentBytes)
    if (paid === undefined) return result
    if (!isHeld) {
      isHeld = true
      void paid.then(() => {
        isHeld = false
        if (line.socket?.writableNeedDrain !== true) dispatch('drain')
      })
    }
    return { sentBytes: result.sentBytes, canSendMore: false }
  }
  // The socket has room, but it is not our turn yet.
  line.safeDispatchEvent = ((...event: Parameters<Line['safeDispatchEvent']>) => {
    return event[0] === 'drain' && isHeld ? true : dispatch(...event)
  }) as Line['safeDispatchEvent']
}
