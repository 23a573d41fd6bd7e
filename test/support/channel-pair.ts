/**
 * Channels and hosts without a network: two joined ends in memory, with the manners of real ones.
 *
 * Frames arrive whole and in order, a writer waits while the other side does not read, a goodbye
 * lets what was written arrive, and an abort takes everything from both sides at once.
 */

import type { PeerId } from '../../src/identity/index.ts'
import { NetError } from '../../src/net/errors.ts'
import type { CallOptions, Channel, Host, Protocol } from '../../src/net/host.ts'

/** Frames on their way that a writer need not wait for. */
const ROOM_FRAMES = 16
const FRAME_BYTES_MAX = 16 * 1_024 * 1_024

/** The ends of one stream: the first at `a`, who sees `b`; the second at `b`, who sees `a`. */
export function channelPair(
  { a, b }: { readonly a: PeerId; readonly b: PeerId },
  frameBytesMax = FRAME_BYTES_MAX,
): readonly [MemoryChannel, MemoryChannel] {
  const atA = new MemoryChannel(b, frameBytesMax)
  const atB = new MemoryChannel(a, frameBytesMax)
  atA.join(atB)
  atB.join(atA)
  return [atA, atB]
}

export class MemoryChannel implements Channel {
  readonly peer: PeerId
  readonly #frameBytesMax: number
  readonly #closed = new AbortController()
  #other: MemoryChannel | undefined
  /** What the other side wrote and we have not read. */
  #inbox: Uint8Array[] = []
  #saidGoodbye = false
  #heardGoodbye = false
  /** Resolves at the next change of anything above. */
  #change = Promise.withResolvers<void>()

  constructor(peer: PeerId, frameBytesMax: number) {
    this.peer = peer
    this.#frameBytesMax = frameBytesMax
  }

  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /** Frames written to this end that wait to be read. */
  get unread(): number {
    return this.#inbox.length
  }

  join(other: MemoryChannel): void {
    this.#other = other
  }

  async read({ signal }: CallOptions = {}): Promise<Uint8Array | undefined> {
    for (;;) {
      signal?.throwIfAborted()
      const frame = this.#inbox.shift()
      if (frame !== undefined) {
        this.#changed()
        return frame
      }
      if (this.#heardGoodbye) return undefined
      this.#throwIfBroken()
      await this.#changes(signal)
    }
  }

  async write(frame: Uint8Array, { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    this.#throwIfBroken()
    if (this.#saidGoodbye) throw NetError.CHANNEL_CLOSED(this.#facts())
    if (frame.length > this.#frameBytesMax) {
      throw NetError.CHANNEL_BROKEN({
        ...this.#facts(),
        reason: `a frame of ${frame.length} bytes`,
      })
    }
    const other = this.#joined()
    other.#inbox.push(Uint8Array.from(frame))
    other.#changed()
    while (other.#inbox.length > ROOM_FRAMES) {
      this.#throwIfBroken()
      await other.#changes(signal)
    }
  }

  async close(): Promise<void> {
    if (this.#saidGoodbye || this.closed.aborted) return
    this.#saidGoodbye = true
    const other = this.#joined()
    other.#heardGoodbye = true
    other.#changed()
    this.#changed()
    if (!this.#heardGoodbye) return
    for (const end of [this, other]) end.#closed.abort(NetError.CHANNEL_CLOSED(this.#facts()))
  }

  abort(error: Error): void {
    for (const end of [this, this.#joined()]) {
      if (end.closed.aborted) continue
      end.#inbox = []
      end.#heardGoodbye = false
      const reason = end === this ? error.message : 'the other side dropped it'
      end.#closed.abort(NetError.CHANNEL_BROKEN({ ...end.#facts(), reason }, error))
      end.#changed()
    }
  }

  #joined(): MemoryChannel {
    if (this.#other === undefined) throw new TypeError('Cannot use half a pair: join it first')
    return this.#other
  }

  #facts() {
    return { peer: this.peer, protocol: 'memory' }
  }

  #throwIfBroken(): void {
    this.closed.throwIfAborted()
  }

  #changed(): void {
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }

  async #changes(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = this.#change
    const wake = () => resolve()
    signal?.addEventListener('abort', wake, { once: true })
    await promise
    signal?.removeEventListener('abort', wake)
    signal?.throwIfAborted()
  }
}

type PairedHost = Pick<Host, 'self' | 'open' | 'handle'>

/** Hosts that can open channels to each other, and every channel that was opened. */
export class MemoryNet {
  readonly #handlers = new Map<string, (channel: Channel) => Promise<void>>()
  /** The opener's end and the other end, in the order of opening. */
  readonly opened: (readonly [MemoryChannel, MemoryChannel])[] = []
  /** What the handlers rejected with. */
  readonly failures: unknown[] = []

  host(self: PeerId): PairedHost {
    return {
      self,
      handle: async (protocol, serve) => {
        this.#handlers.set(`${self} ${protocol.id}`, serve)
      },
      open: async (peer, protocol, options) => this.#open(self, peer, { protocol, options }),
    }
  }

  #open(
    self: PeerId,
    peer: PeerId,
    { protocol, options }: { protocol: Protocol; options: CallOptions | undefined },
  ): Channel {
    options?.signal?.throwIfAborted()
    const serve = this.#handlers.get(`${peer} ${protocol.id}`)
    if (serve === undefined) throw NetError.PROTOCOL_UNSUPPORTED({ peer, protocol: protocol.id })
    const [near, far] = channelPair({ a: self, b: peer }, protocol.frameBytesMax)
    this.opened.push([near, far])
    serve(far).then(
      () => far.close(),
      (error: unknown) => {
        this.failures.push(error)
        far.abort(error instanceof Error ? error : new TypeError(String(error)))
      },
    )
    return near
  }
}
