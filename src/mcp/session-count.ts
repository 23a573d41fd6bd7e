/** How many streams of peers a service has, in all and for each peer, and how to end them. */

import type { PeerId } from '../identity/index.ts'
import { McpError } from './errors.ts'
import type { Pipe } from './pipe.ts'

/** So that one peer cannot take all the sessions of a service. */
const PER_PEER_MAX = 8

export class SessionCount {
  readonly #service: string
  readonly #sessionsMax: number
  readonly #peers = new Map<PeerId, number>()
  readonly #open = new Set<Pipe>()
  readonly #opening = new Set<Promise<Pipe>>()
  #count = 0
  #ended = false

  constructor(service: string, sessionsMax: number) {
    this.#service = service
    this.#sessionsMax = sessionsMax
  }

  /** Counts from before the work begins until the pipe is closed or the work fails. */
  async open(peer: PeerId, work: () => Promise<Pipe>): Promise<Pipe> {
    this.#checkOpen()
    this.#enter(peer)
    const opening = work()
    this.#opening.add(opening)
    try {
      const pipe = await opening
      if (this.#ended) await pipe.close()
      this.#checkOpen()
      this.#open.add(pipe)
      return this.#counted(peer, pipe)
    } catch (error) {
      this.#leave(peer)
      throw error
    } finally {
      this.#opening.delete(opening)
    }
  }

  /** Ends all, also what is on its way up; nothing is opened after it. */
  async closeAll(): Promise<void> {
    this.#ended = true
    await Promise.all([...this.#open].map((pipe) => pipe.close()))
    const opened = await Promise.allSettled(this.#opening)
    const pipes = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    await Promise.all(pipes.map((pipe) => pipe.close()))
  }

  #checkOpen(): void {
    if (!this.#ended) return
    const reason = 'it was withdrawn'
    throw McpError.SERVICE_NOT_READY({ service: this.#service, state: 'stopped', reason })
  }

  #counted(peer: PeerId, pipe: Pipe): Pipe {
    const left = () => {
      if (this.#open.delete(pipe)) this.#leave(peer)
    }
    return {
      read: (options) => pipe.read(options),
      write: (frame, options) => pipe.write(frame, options),
      close: async () => {
        await pipe.close()
        left()
      },
      abort: (error) => {
        pipe.abort(error)
        left()
      },
    }
  }

  #enter(peer: PeerId): void {
    const service = this.#service
    const ofPeer = this.#peers.get(peer) ?? 0
    if (this.#count >= this.#sessionsMax) {
      throw McpError.SESSIONS_FULL({ service, limit: this.#sessionsMax, whose: 'the service' })
    }
    if (ofPeer >= PER_PEER_MAX) {
      throw McpError.SESSIONS_FULL({ service, limit: PER_PEER_MAX, whose: 'one peer' })
    }
    this.#count += 1
    this.#peers.set(peer, ofPeer + 1)
  }

  #leave(peer: PeerId): void {
    const ofPeer = this.#peers.get(peer) ?? 0
    this.#count -= 1
    if (ofPeer > 1) this.#peers.set(peer, ofPeer - 1)
    else this.#peers.delete(peer)
  }
}
