/** Datagrams and connections from a machine of a lab, one by one, and what arrives there. */

import { fileURLToPath } from 'node:url'
import { AskedProcess } from './asked-process.ts'
import type { Machine } from './namespaces.ts'

const PROGRAM = fileURLToPath(new URL('probe-peer.ts', import.meta.url))
const ARRIVES_WITHIN_MS = 300
const CONNECTS_WITHIN_MS = 1_500

export interface Endpoint {
  readonly host: string
  readonly port: number
}

interface Got extends Endpoint {
  readonly at: number
  readonly bytes: number
}

/** The sockets of one machine. */
export class Probe {
  readonly #process: AskedProcess
  /** Datagrams differ by their length, so that none is taken for another. */
  #bytes = 100

  constructor(machine: Machine) {
    this.#process = new AskedProcess(machine, [PROGRAM])
  }

  async bind(port: number): Promise<this> {
    await this.#process.ask({ bind: port })
    return this
  }

  async listen(port: number): Promise<this> {
    await this.#process.ask({ listen: port })
    return this
  }

  /** Sends one datagram to another machine; whom it seems to come from there, if it arrives. */
  async reaches(
    other: Probe,
    { from, to, bytes }: { from: number; to: Endpoint; bytes?: number },
  ): Promise<Endpoint | undefined> {
    this.#bytes += 1
    const length = bytes ?? this.#bytes
    await this.#process.ask({ send: { from, ...to, bytes: length } })
    const got = await other.#process.heard((told) => {
      const { got: datagram } = told as { got?: Got }
      return datagram?.bytes === length ? datagram : undefined
    }, ARRIVES_WITHIN_MS)
    return got && { host: got.host, port: got.port }
  }

  /** Connects, sends so many bytes, and says `answered` or why not. */
  connects(to: Endpoint, { bytes = 1 } = {}): Promise<unknown> {
    return this.#process.ask({ connect: { ...to, bytes, timeoutMs: CONNECTS_WITHIN_MS } })
  }
}
