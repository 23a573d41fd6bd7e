/**
 * UDP on the simulated network: a packet comes once, late, or never; how it comes is the
 * network's business, who may send to whom that of the routers between.
 */

import type { OpenUdp, PacketListener, UdpEndpoint, UdpPort } from '../net/index.ts'
import { TestingError } from './errors.ts'
import type { SimHost, SimNetwork } from './sim-network.ts'

/** Opens ports on `host` in place of the machine's. */
export function simUdp(network: SimNetwork, host: SimHost): OpenUdp {
  return async ({ port, movable }) => {
    const free = port > 0 && !host.receivers.has(port)
    if (!free && !movable) throw TestingError.ADDRESS_TAKEN({ address: `${host.ip}:${port}` })
    return new SimUdpPort(network, host, free ? port : nextFree(host))
  }
}

class SimUdpPort implements UdpPort {
  readonly addresses: readonly UdpEndpoint[]
  readonly #network: SimNetwork
  readonly #host: SimHost
  readonly #port: number
  #listener: PacketListener = () => undefined
  #isOpen = true

  constructor(network: SimNetwork, host: SimHost, port: number) {
    this.#network = network
    this.#host = host
    this.#port = port
    this.addresses = [{ host: host.ip, port }]
    host.receivers.set(port, (bytes, from) => this.#listener(bytes, from))
  }

  send(bytes: Uint8Array, to: UdpEndpoint): void {
    if (!this.#isOpen) return
    const from = this.#host
    const network = this.#network
    const target = network.hostAt(to.host)
    const port = from.nat.leaves(this.#port, to, network.time.nowMs)
    if (target === undefined || network.isBlocked(from, target)) return
    if (network.isLost(from, target)) {
      network.note('lost', from, target, bytes.length)
      return
    }
    // The sender may use its memory again.
    const copy = Uint8Array.from(bytes)
    network.time.after(network.travelMs(from, target, copy.length), 0, () => {
      if (!target.isUp) return
      network.note('datagram', from, target, copy.length)
      const source = { host: from.ip, port }
      const inside = target.nat.enters(to.port, source, network.time.nowMs)
      if (inside !== undefined) target.receivers.get(inside)?.(copy, source)
    })
  }

  onPacket(listener: PacketListener): void {
    this.#listener = listener
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#host.receivers.delete(this.#port)
  }
}

function nextFree(host: SimHost): number {
  for (;;) {
    host.portNext += 1
    if (!host.receivers.has(host.portNext)) return host.portNext
  }
}
