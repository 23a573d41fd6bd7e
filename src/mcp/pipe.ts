/** Whole frames in both directions: what a channel, a child process and a server have in common. */

import { McpError } from './errors.ts'

/** A `Channel` of `net` without its peer. */
export interface Pipe {
  /** The next frame, or `undefined` at the end. One reader at a time. */
  read(options?: { readonly signal?: AbortSignal }): Promise<Uint8Array | undefined>
  /** Resolves when the frame is handed on and there is room for the next. */
  write(frame: Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<void>
  close(): Promise<void>
  abort(error: Error): void
  /** Bytes that have arrived, whole frames or not. Absent where nobody counts. */
  readonly bytesRead?: number
}

/** Two ends in this process: what is written to one is read from the other, a frame at a time. */
export function pipePair(): [Pipe, Pipe] {
  const there = new Lane()
  const back = new Lane()
  return [new LanePipe(there, back), new LanePipe(back, there)]
}

interface Offered {
  readonly frame: Uint8Array
  readonly taken: () => void
  readonly dropped: (error: Error) => void
}

/** One direction. A writer waits until its frame is read, so no more than is offered is held. */
class Lane {
  readonly #offered: Offered[] = []
  #reader: { readonly take: (frame?: Uint8Array) => void; readonly stop: () => void } | undefined
  #ended = false
  #failure: Error | undefined

  read(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const next = this.#offered.shift()
    if (next !== undefined) {
      next.taken()
      return Promise.resolve(next.frame)
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#ended) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => {
      const free = () => {
        this.#reader = undefined
        signal?.removeEventListener('abort', stop)
      }
      const stop = () => {
        free()
        reject(this.#failure ?? reasonOf(signal))
      }
      const take = (frame?: Uint8Array) => {
        free()
        resolve(frame)
      }
      if (signal?.aborted === true) {
        stop()
        return
      }
      signal?.addEventListener('abort', stop, { once: true })
      this.#reader = { take, stop }
    })
  }

  write(frame: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (this.#ended) return Promise.reject(this.#failure ?? ended())
    if (this.#reader !== undefined) {
      this.#reader.take(frame)
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const stop = () => {
        const at = this.#offered.indexOf(offer)
        if (at >= 0) this.#offered.splice(at, 1)
        reject(reasonOf(signal))
      }
      const free = () => signal?.removeEventListener('abort', stop)
      const offer: Offered = {
        frame,
        taken: () => {
          free()
          resolve()
        },
        dropped: (error) => {
          free()
          reject(error)
        },
      }
      if (signal?.aborted === true) {
        stop()
        return
      }
      signal?.addEventListener('abort', stop, { once: true })
      this.#offered.push(offer)
    })
  }

  end(): void {
    this.#ended = true
    this.#reader?.take()
  }

  /** Forgets what was offered; with a reason, whoever reads or writes is told it. */
  drop(failure?: Error): void {
    this.#ended = true
    this.#failure ??= failure
    if (this.#failure === undefined) this.#reader?.take()
    else this.#reader?.stop()
    for (const offer of this.#offered.splice(0)) offer.dropped(this.#failure ?? ended())
  }
}

class LanePipe implements Pipe {
  readonly #in: Lane
  readonly #out: Lane

  constructor(out: Lane, incoming: Lane) {
    this.#out = out
    this.#in = incoming
  }

  read(options: { readonly signal?: AbortSignal } = {}): Promise<Uint8Array | undefined> {
    return this.#in.read(options.signal)
  }

  write(frame: Uint8Array, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#out.write(frame, options.signal)
  }

  /** Frames already offered can still be read; nobody can offer us anything more. */
  async close(): Promise<void> {
    this.#out.end()
    this.#in.drop()
  }

  abort(error: Error): void {
    this.#out.drop(error)
    this.#in.drop(error)
  }
}

function ended(): Error {
  return McpError.PIPE_ENDED({ wanted: 'go on' })
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason
  return reason instanceof Error ? reason : ended()
}
