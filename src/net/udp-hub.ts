/**
 * One public UDP socket before the QUIC addon, whose listener and dials have a socket each: behind
 * it both use the same port, so that what a dial opens in a NAT lets others in.
 *
 *   network ── public socket ── gate on 127.0.0.1 ── the addon's listener, or its dialling socket
 *                             └ gate …               (one gate for each remote and direction)
 *
 * Gates are on 127.0.0.1 for remotes of either version of IP, and take packets from the addon's
 * port only. Whose a packet is, and who may have a gate, is decided in `udp-hub-core.ts`. Node
 * hands over packets one by one: it has no call for many, so each costs a turn through JavaScript.
 */

import type { Socket } from 'node:dgram'
import { type Clock, every, type Random } from '../base/index.ts'
import { parseIp } from '../ip/index.ts'
import { NetError } from './errors.ts'
import { type Dropped, HubCore, type HubGate, type HubLimits } from './udp-hub-core.ts'
import { opensConnection } from './udp-hub-packet.ts'
import { openHubSocket, sendFrom } from './udp-hub-socket.ts'
import type { PacketListener, UdpEndpoint } from './udp-port.ts'

export interface UdpHubDeps {
  readonly clock: Clock
  readonly random: Random
}

/** What a dial goes through in place of its target, until it is released. */
export interface HubPath {
  readonly host: typeof LOOPBACK
  readonly port: number
  /** The dial succeeded: the addon dials from the port that this gate has seen, and no other. */
  confirm(): void
  /** The dial failed, or its connection is gone. */
  release(): void
}

/** Whose address the addon sees in place of a remote's. */
export interface HubArrival {
  readonly remote: UdpEndpoint
  /** The connection is gone. */
  release(): void
}

export interface HubStats {
  readonly gates: number
  readonly dropped: Readonly<Record<string, number>>
  /** From the network, whosever they are, and to it. */
  readonly packets: { readonly in: number; readonly out: number }
}

/** A gate's own socket, and where the addon is. */
interface Opening {
  readonly gate: HubGate
  /** Settles when the socket is bound, or will not be. */
  opened: Promise<void>
  /** What came before the socket was bound. */
  readonly waiting: Uint8Array[]
  socket: Socket | undefined
  port: number
  /** Of the addon; unknown for a dial until its first packet. */
  addonPort: number | undefined
}

const LOOPBACK = '127.0.0.1'
const WAITING_MAX = 8
const SWEEP_MS = 1_000
/** As DCUtR has it: at random intervals between 10 and 200 ms. */
const PUNCH_PAUSE_MS = { least: 10, spread: 190 }
const PUNCH_MS = 5_000
const PUNCH_BYTES = { least: 32, spread: 32 }

export class UdpHub {
  readonly #deps: UdpHubDeps
  readonly #core: HubCore
  readonly #openings = new Map<HubGate, Opening>()
  readonly #byPort = new Map<number, HubGate>()
  readonly #closed = new AbortController()
  readonly #dropped: Record<Dropped | 'queue' | 'spoofed', number> = {
    stray: 0,
    full: 0,
    host: 0,
    site: 0,
    rate: 0,
    queue: 0,
    spoofed: 0,
  }
  readonly #packets = { in: 0, out: 0 }
  #public: Socket | undefined
  #address: UdpEndpoint = { host: '', port: 0 }
  #listenerPort = 0
  #diallerPort: number | undefined
  #other: PacketListener = () => undefined

  constructor(deps: UdpHubDeps, limits: HubLimits) {
    this.#deps = deps
    this.#core = new HubCore({ clock: deps.clock, closed: (gate) => this.#shut(gate) }, limits)
  }

  /**
   * Binds the public socket, for a listener of the addon on this port of loopback; rejects with the
   * system's error.
   */
  async open(at: UdpEndpoint, listenerPort: number): Promise<void> {
    this.#listenerPort = listenerPort
    this.#public = await openHubSocket(at, (bytes, from) => this.#fromNet(bytes, from))
    this.#address = { host: at.host, port: this.#public.address().port }
    void every(this.#deps.clock, SWEEP_MS, () => this.#core.expire(), this.#closed.signal)
  }

  /** Where the public socket is. */
  get address(): UdpEndpoint {
    return this.#address
  }

  /** Where the addon listens for strangers. */
  get listenerPort(): number {
    return this.#listenerPort
  }

  /** Gates that are open, packets that nobody got, by reason, and packets in all. */
  stats(): HubStats {
    return { gates: this.#core.size, dropped: { ...this.#dropped }, packets: { ...this.#packets } }
  }

  /** A path to dial `remote` by, held until it is released; `undefined` where there is no room. */
  async dial(remote: UdpEndpoint): Promise<HubPath | undefined> {
    const gate = this.#core.dial({ host: parseIp(remote.host).text, port: remote.port })
    if (gate === undefined || this.#closed.signal.aborted) return undefined
    this.#core.hold(gate)
    const release = once(() => this.#core.release(gate))
    const opening = this.#openings.get(gate) ?? this.#open(gate)
    await opening.opened
    if (opening.socket === undefined) {
      release()
      return undefined
    }
    const confirm = () => {
      this.#diallerPort = opening.addonPort
    }
    return { host: LOOPBACK, port: opening.port, confirm, release }
  }

  /** Who came by the gate at `port`; `undefined` when it is no gate, so it was no stranger. */
  arrival(port: number): HubArrival | undefined {
    const gate = this.#byPort.get(port)
    if (gate?.direction !== 'inbound') return undefined
    this.#core.hold(gate)
    return { remote: gate.remote, release: once(() => this.#core.release(gate)) }
  }

  /** Packets that are not QUIC's, or may not be. */
  onOther(listener: PacketListener): void {
    this.#other = listener
  }

  /** Sends from the public socket. Throws `NET_UDP_UNSENT` when nothing was sent. */
  send(bytes: Uint8Array, to: UdpEndpoint): void {
    if (this.#public !== undefined && this.#out(this.#public, bytes, to)) return
    const reason = this.#public === undefined ? 'the port is closed' : 'too much waits to be sent'
    throw NetError.UDP_UNSENT({ ...to, reason })
  }

  /** Opens the NAT before us for `remote`: see `HubControl`. */
  async punch(remote: UdpEndpoint, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps
    const untilMs = clock.now() + PUNCH_MS
    while (clock.now() < untilMs) {
      signal.throwIfAborted()
      this.send(punchPacket(random), remote)
      await clock.sleep(PUNCH_PAUSE_MS.least + random.int(PUNCH_PAUSE_MS.spread), signal)
    }
  }

  /** Closes every socket; what the addon still sends is lost. */
  async close(): Promise<void> {
    this.#closed.abort()
    for (const gate of [...this.#openings.keys()]) this.#core.close(gate)
    const socket = this.#public
    this.#public = undefined
    if (socket === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    socket.close(resolve)
    await promise
  }

  #fromNet(bytes: Uint8Array, from: UdpEndpoint): void {
    this.#packets.in += 1
    const { gates, isOther, dropped } = this.#core.fromNet(bytes, from)
    for (const gate of gates) this.#toAddon(gate, bytes)
    if (isOther) this.#other(bytes, from)
    if (dropped !== undefined) this.#dropped[dropped] += 1
  }

  #toAddon(gate: HubGate, bytes: Uint8Array): void {
    const { socket, addonPort, waiting } = this.#openings.get(gate) ?? this.#open(gate)
    if (socket === undefined) {
      if (waiting.length < WAITING_MAX) waiting.push(bytes)
    } else if (addonPort !== undefined) {
      const isSent = sendFrom(socket, bytes, { host: LOOPBACK, port: addonPort })
      if (!isSent) this.#dropped.queue += 1
    }
  }

  #fromAddon(opening: Opening, bytes: Uint8Array, from: UdpEndpoint): void {
    // Anybody on this machine can send to a gate; a dial's port shows in its first packet only.
    const expected = opening.addonPort ?? this.#diallerPort
    if (from.port !== expected && (expected !== undefined || !opensConnection(bytes))) {
      this.#dropped.spoofed += 1
      return
    }
    opening.addonPort = from.port
    this.#core.fromAddon(bytes, opening.gate)
    if (this.#public !== undefined && !this.#out(this.#public, bytes, opening.gate.remote)) {
      this.#dropped.queue += 1
    }
  }

  #out(socket: Socket, bytes: Uint8Array, to: UdpEndpoint): boolean {
    const isSent = sendFrom(socket, bytes, to)
    if (isSent) this.#packets.out += 1
    return isSent
  }

  #open(gate: HubGate): Opening {
    const opening: Opening = {
      gate,
      opened: Promise.resolve(),
      waiting: [],
      socket: undefined,
      port: 0,
      addonPort: gate.direction === 'inbound' ? this.#listenerPort : undefined,
    }
    this.#openings.set(gate, opening)
    opening.opened = this.#bind(opening)
    return opening
  }

  async #bind(opening: Opening): Promise<void> {
    const { gate, waiting } = opening
    try {
      const take = (bytes: Uint8Array, from: UdpEndpoint) => this.#fromAddon(opening, bytes, from)
      const socket = await openHubSocket({ host: LOOPBACK, port: 0 }, take)
      // The gate may have been taken away meanwhile.
      if (this.#openings.get(gate) !== opening) return void socket.close()
      opening.socket = socket
      opening.port = socket.address().port
      this.#byPort.set(opening.port, gate)
      for (const bytes of waiting.splice(0)) this.#toAddon(gate, bytes)
    } catch {
      // No descriptor is left: the stranger may knock again, and the dial goes another way.
      this.#core.close(gate)
    }
  }

  #shut(gate: HubGate): void {
    const opening = this.#openings.get(gate)
    if (opening === undefined) return
    this.#openings.delete(gate)
    this.#byPort.delete(opening.port)
    opening.socket?.close()
  }
}

/** Random bytes that begin like a short header of QUIC: endpoints drop them without an answer. */
function punchPacket(random: Random): Uint8Array {
  const bytes = random.bytes(PUNCH_BYTES.least + random.int(PUNCH_BYTES.spread))
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f)
  return bytes
}

function once(work: () => void): () => void {
  let done = false
  return () => {
    if (!done) work()
    done = true
  }
}
