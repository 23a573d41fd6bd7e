/**
 * A network in memory: hosts that open channels to each other by address, with no libp2p beneath.
 *
 * Every host has one address; it can be reached by whoever knows that address. Hosts can die, and
 * a handler may do what it likes, so tests can put foreign or hostile peers behind one.
 */

import { defineErrors, Emitter } from '../../src/base/index.ts'
import type { PeerId } from '../../src/identity/index.ts'
import type {
  CallOptions,
  Channel,
  ConnectionInfo,
  NetEvents,
  Protocol,
} from '../../src/net/index.ts'

const FakeNetError = defineErrors('NET', {
  PEER_UNREACHABLE: {
    says: (f: { peer: PeerId }) => `Cannot reach ${f.peer}: nobody is at its addresses`,
    retryable: true,
  },
  CHANNEL_BROKEN: {
    says: (f: { peer: PeerId }) => `Cannot go on with ${f.peer}: the channel broke`,
    retryable: true,
  },
})

type Serve = (channel: Channel) => Promise<void>

export class FakeNet {
  readonly hosts: FakeHost[] = []

  add(self: PeerId): FakeHost {
    const host = new FakeHost(this, self, `/ip4/127.0.0.1/tcp/${this.hosts.length + 1}`)
    this.hosts.push(host)
    return host
  }

  at(address: string): FakeHost | undefined {
    return this.hosts.find((host) => host.alive && host.address === address)
  }
}

export class FakeHost {
  readonly self: PeerId
  readonly address: string
  readonly events = new Emitter<NetEvents>((error) => {
    throw error
  })
  alive = true
  /** How many channels were opened to this host. */
  opened = 0
  readonly book = new Map<PeerId, Set<string>>()
  readonly #net: FakeNet
  readonly #handlers = new Map<string, Serve>()
  readonly #connected = new Map<PeerId, FakeHost>()
  readonly #channels = new Set<End>()

  constructor(net: FakeNet, self: PeerId, address: string) {
    this.#net = net
    this.self = self
    this.address = address
  }

  addresses(): readonly string[] {
    return [`${this.address}/p2p/${this.self}`]
  }

  connections(): readonly ConnectionInfo[] {
    return [...this.#connected].map(([peer, { address }]) => ({
      peer,
      address,
      direction: 'outbound' as const,
      transport: 'memory' as const,
      path: 'direct' as const,
      openedAtMs: 0,
      streams: 0,
    }))
  }

  async protocolsOf(peer: PeerId): Promise<readonly string[]> {
    const there = this.#connected.get(peer)
    return there === undefined ? [] : there.spoken()
  }

  async addressesOf(peer: PeerId): Promise<readonly string[]> {
    return [...(this.book.get(peer) ?? [])]
  }

  async learn(peer: PeerId, addresses: readonly string[], _source: PeerId): Promise<void> {
    const known = this.book.get(peer) ?? new Set()
    this.book.set(peer, known)
    for (const address of addresses) {
      if (known.size < 8) known.add(address.replace(/\/p2p\/[^/]+$/, ''))
    }
  }

  /** The protocols that this host answers to, one of them of this project's own. */
  spoken(): string[] {
    return [...this.#handlers.keys(), '/p2p-foundation/fake/1.0.0']
  }

  async handle(protocol: Protocol, serve: Serve): Promise<void> {
    this.#handlers.set(protocol.id, serve)
  }

  /** Finds the peer by its addresses, and lets each side hear what the other speaks. */
  async connect(peer: PeerId): Promise<FakeHost> {
    const known = this.#connected.get(peer)
    if (known?.alive === true) return known
    const there = [...(this.book.get(peer) ?? [])]
      .map((address) => this.#net.at(address))
      .find((host) => host?.self === peer)
    if (!this.alive || there === undefined) throw FakeNetError.PEER_UNREACHABLE({ peer })
    this.#meet(there)
    there.#meet(this)
    return there
  }

  async open(peer: PeerId, protocol: Protocol, _options: CallOptions = {}): Promise<Channel> {
    const there = await this.connect(peer)
    const serve = there.#handlers.get(protocol.id)
    if (serve === undefined) throw FakeNetError.PEER_UNREACHABLE({ peer })
    there.opened += 1
    const near = new End(peer)
    const far = new End(this.self)
    near.join(far)
    this.#channels.add(near)
    there.#channels.add(far)
    void serve(far)
    return near
  }

  /** Gone without a word: its channels break, and nobody reaches it any more. */
  die(): void {
    this.alive = false
    for (const end of this.#channels) end.abort(FakeNetError.CHANNEL_BROKEN({ peer: this.self }))
  }

  #meet(other: FakeHost): void {
    this.#connected.set(other.self, other)
    const known = this.book.get(other.self) ?? new Set()
    this.book.set(other.self, known.add(other.address))
    this.events.emit('identified', { peer: other.self, protocols: other.spoken() })
  }
}

/** Two channels joined to each other. */
export function channelPair(a: PeerId, b: PeerId): [Channel, Channel] {
  const near = new End(b)
  const far = new End(a)
  near.join(far)
  return [near, far]
}

class End implements Channel {
  readonly peer: PeerId
  readonly #gone = new AbortController()
  readonly #frames: Uint8Array[] = []
  #other: End | undefined
  #ended = false
  #failure: Error | undefined
  #wake: () => void = () => undefined

  constructor(peer: PeerId) {
    this.peer = peer
  }

  get closed(): AbortSignal {
    return this.#gone.signal
  }

  join(other: End): void {
    this.#other = other
    other.#other = this
  }

  async read({ signal }: CallOptions = {}): Promise<Uint8Array | undefined> {
    for (;;) {
      signal?.throwIfAborted()
      if (this.#failure !== undefined) throw this.#failure
      const frame = this.#frames.shift()
      if (frame !== undefined) return frame
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        signal?.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  async write(frame: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#gone.signal.aborted) throw FakeNetError.CHANNEL_BROKEN({ peer: this.peer })
    this.#other?.take(frame)
  }

  async close(): Promise<void> {
    this.#gone.abort()
    this.#other?.end()
  }

  abort(error: Error): void {
    this.fail(error)
    this.#other?.fail(FakeNetError.CHANNEL_BROKEN({ peer: this.peer }))
  }

  take(frame: Uint8Array): void {
    this.#frames.push(Uint8Array.from(frame))
    this.#wake()
  }

  end(): void {
    this.#ended = true
    this.#gone.abort()
    this.#wake()
  }

  fail(error: Error): void {
    this.#failure ??= error
    this.#gone.abort()
    this.#wake()
  }
}
