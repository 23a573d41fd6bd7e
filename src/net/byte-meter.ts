/**
 * Counts the bytes of whole connections, encryption and framing included.
 *
 * Connections that carry a stream of bytes (TCP, memory) are counted as they send and receive.
 * QUIC's native part keeps its own count of UDP payload, which is read now and then and at the
 * end.
 */

import type { MultiaddrConnection } from '@libp2p/interface'
import type { Counter } from '../base/index.ts'

interface Totals {
  readonly in: number
  readonly out: number
}

type Received = Parameters<MultiaddrConnection['send']>[0]

export class ByteMeter {
  readonly #counter: Counter
  readonly #spoke = new WeakSet<MultiaddrConnection>()
  readonly #sampled = new Map<MultiaddrConnection, { read: () => Totals; seen: Totals }>()

  constructor(counter: Counter) {
    this.#counter = counter
  }

  /** Whether the other side has sent a byte. */
  spoke(connection: MultiaddrConnection): boolean {
    return this.#spoke.has(connection)
  }

  /** Counts what passes through `connection` from now on. */
  watch(connection: MultiaddrConnection): void {
    // The class behind the interface hands arriving bytes to `onData`; an event listener instead
    // would make libp2p deliver them before anyone else listens.
    const source = connection as MultiaddrConnection & { onData?: (data: Received) => void }
    const deliver = source.onData?.bind(source)
    const send = connection.send.bind(connection)
    source.onData = (data) => {
      this.#spoke.add(connection)
      this.#counter.add(data.byteLength, { direction: 'in' })
      deliver?.(data)
    }
    source.send = (data) => {
      this.#counter.add(data.byteLength, { direction: 'out' })
      return send(data)
    }
  }

  /** Counts by asking `read` for totals, until the connection closes. */
  sample(connection: MultiaddrConnection, read: () => Totals): void {
    this.#spoke.add(connection)
    this.#sampled.set(connection, { read, seen: { in: 0, out: 0 } })
    connection.addEventListener('close', () => {
      this.#take(connection)
      this.#sampled.delete(connection)
    })
  }

  /** Brings the counter up to date. */
  refresh(): void {
    for (const connection of this.#sampled.keys()) this.#take(connection)
  }

  #take(connection: MultiaddrConnection): void {
    const entry = this.#sampled.get(connection)
    if (entry === undefined) return
    const now = entry.read()
    this.#counter.add(Math.max(0, now.in - entry.seen.in), { direction: 'in' })
    this.#counter.add(Math.max(0, now.out - entry.seen.out), { direction: 'out' })
    entry.seen = now
  }
}
