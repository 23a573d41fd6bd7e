/**
 * Questions to a router by UDP, and the answers to them.
 *
 * The socket is connected, so the kernel hands over only what has the router's own address and
 * port as its source. What does not answer the question that waits is passed over, and a question
 * is sent again after 250, 500 and 1,000 ms (RFC 6886 §3.1): a router that is silent costs two
 * seconds, not a minute.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type Clock, hasCode, race } from '../base/index.ts'
import type { Route } from './portmap-lease.ts'

/** Asks one question at a time. */
export interface Exchange {
  /** What `read` makes of the first answer that it accepts; `undefined` for a silent router. */
  ask<T>(
    request: Uint8Array,
    read: (answer: Uint8Array) => T | undefined,
    signal: AbortSignal,
  ): Promise<T | undefined>
  close(): void
}

/** Opens the way to one port of a router. */
export type OpenExchange = (route: Route, port: number, clock: Clock) => Promise<Exchange>

const WAITS_MS = [250, 500, 1_000] as const

export const openUdpExchange: OpenExchange = async (route, port, clock) => {
  const socket = createSocket({ type: route.family === 4 ? 'udp4' : 'udp6' })
  try {
    const listening = once(socket, 'listening')
    socket.bind({ address: route.local, port: 0, exclusive: true })
    await listening
    const connected = once(socket, 'connect')
    socket.connect(port, route.router)
    await connected
  } catch (error) {
    socket.close()
    throw error
  }
  return new UdpExchange(socket, clock)
}

class UdpExchange implements Exchange {
  readonly #socket: Socket
  readonly #clock: Clock
  #heard: (answer: Uint8Array) => void = ignore
  #closed = false

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
    socket.on('message', (bytes) => this.#heard(bytes))
    // ICMP says that nobody listens; anybody can say so, and silence tells the same a little later.
    socket.on('error', ignore)
  }

  async ask<T>(
    request: Uint8Array,
    read: (answer: Uint8Array) => T | undefined,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    const { promise, resolve } = Promise.withResolvers<T>()
    this.#heard = (bytes) => {
      const answer = read(bytes)
      if (answer !== undefined) resolve(answer)
    }
    try {
      for (const waitMs of WAITS_MS) {
        if (this.#closed) return undefined
        this.#socket.send(request, ignore)
        const answer = await this.#within(waitMs, promise, signal)
        if (answer !== undefined) return answer
      }
      return undefined
    } finally {
      this.#heard = ignore
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.close()
  }

  async #within<T>(ms: number, work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    using deadline = this.#clock.deadline(ms, signal)
    try {
      return await race(work, deadline.signal)
    } catch (error) {
      signal.throwIfAborted()
      if (hasCode(error, 'BASE_DEADLINE')) return undefined
      throw error
    }
  }
}

function ignore(): void {}
