/** UDP in memory: a packet comes in the next turn, unless the test loses it. */

import { defineErrors } from '../../src/base/index.ts'
import type { OpenUdp, PacketListener, UdpEndpoint, UdpPort } from '../../src/net/index.ts'

const FakeUdpError = defineErrors('NET', {
  UDP_FAILED: { says: (f: { port: number }) => `Cannot open UDP port ${f.port}: it is busy` },
})

export class FakeUdp {
  readonly #ports = new Map<string, PacketListener>()
  /** Every packet that was sent, lost or not. */
  sent = 0
  /** Which packets are lost on their way. */
  loses: (bytes: Uint8Array, from: UdpEndpoint, to: UdpEndpoint) => boolean = () => false

  readonly open: OpenUdp = async ({ hosts, port, movable }) => {
    const [host = ''] = hosts
    const isBusy = (one: number) => this.#ports.has(`${host} ${one}`)
    if (isBusy(port) && !movable) throw FakeUdpError.UDP_FAILED({ port })
    let taken = port
    while (isBusy(taken)) taken += 1
    return this.#portAt({ host, port: taken })
  }

  #portAt(at: UdpEndpoint): UdpPort {
    const name = `${at.host} ${at.port}`
    this.#ports.set(name, () => undefined)
    return {
      addresses: [at],
      send: (bytes, to) => {
        this.sent += 1
        if (this.loses(bytes, at, to)) return
        const copy = Uint8Array.from(bytes)
        queueMicrotask(() => this.#ports.get(`${to.host} ${to.port}`)?.(copy, at))
      },
      onPacket: (listener) => void this.#ports.set(name, listener),
      close: () => void this.#ports.delete(name),
    }
  }
}
