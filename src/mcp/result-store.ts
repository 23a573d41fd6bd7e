/**
 * Results above one frame, each in a file until its caller has read it or some minutes are over.
 *
 * What is kept is bounded for each peer and in all, while it is still written; the files go with
 * the node. Bytes are hashed as they come, so that the caller can tell that it has all of them.
 */

import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, every, newId, type Random, type Service, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import { jsonParts } from './json-parts.ts'
import { type KeptResult, linkTo } from './result-protocol.ts'
import { Shares } from './shares.ts'

/** How long a result waits for its caller, and how long one that was read to its end. */
const KEEP_MS = 300_000
const READ_KEEP_MS = 30_000
const SWEEP_MS = 10_000
/** Of all that is kept: half to a peer that is alone, half of the rest to the next. */
const FACTORS = [1]
/** So many for one peer, however small. */
const PER_PEER_MAX = 64
/** Small pieces are written together. */
const WRITE_BYTES = 256 * 1_024

export interface ResultStoreDeps {
  /** A folder of its own, emptied at the start and at the end. */
  readonly folder: string
  readonly clock: Clock
  readonly random: Random
}

export type ResultStoreConfig = Pick<McpConfig, 'resultStoreBytes'>

interface Kept extends KeptResult {
  readonly peer: PeerId
  readonly path: string
  untilMs: number
}

/** A result on its way into the store. */
export interface ResultWriter {
  write(bytes: Uint8Array): Promise<void>
  /** What stands for it in the answer. */
  finish(): Promise<KeptResult>
  drop(): Promise<void>
}

export class ResultStore implements Service {
  readonly name = 'mcp results'
  readonly #deps: ResultStoreDeps
  readonly #config: ResultStoreConfig
  readonly #bytes: Shares
  readonly #counts = new Map<PeerId, number>()
  readonly #kept = new Map<string, Kept>()
  readonly #stopped = new AbortController()
  #sweeping: Promise<void> = Promise.resolve()
  #made: Promise<unknown> | undefined

  constructor(deps: ResultStoreDeps, config: ResultStoreConfig) {
    this.#deps = deps
    this.#config = config
    this.#bytes = new Shares({ max: () => config.resultStoreBytes, factors: FACTORS })
  }

  async start(): Promise<void> {
    const { clock, folder } = this.#deps
    await rm(folder, { recursive: true, force: true })
    this.#sweeping = every(clock, SWEEP_MS, () => this.#sweep(), this.#stopped.signal)
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#sweeping
    this.#kept.clear()
    await rm(this.#deps.folder, { recursive: true, force: true })
  }

  /** Bytes on disk, those that are still written included. */
  get bytes(): number {
    return this.#bytes.used
  }

  get count(): number {
    return this.#kept.size
  }

  /** Keeps the result of a call of `peer` and gives the one that is to be sent in its place. */
  async keep(peer: PeerId, result: object): Promise<object> {
    const writer = await this.open(peer)
    try {
      let text = ''
      for (const part of jsonParts(result)) {
        text += part
        if (text.length < WRITE_BYTES) continue
        await writer.write(utf8(text))
        text = ''
      }
      await writer.write(utf8(text))
      const { structuredContent: _, ...rest } = result as { structuredContent?: unknown }
      return { ...rest, content: [linkTo(await writer.finish())] }
    } catch (error) {
      await writer.drop()
      throw error
    }
  }

  async open(peer: PeerId): Promise<ResultWriter> {
    this.#enter(peer)
    const id = newId(this.#deps.random)
    const path = join(this.#deps.folder, id)
    try {
      await this.#makeFolder()
      return this.#writer({ id, peer, path }, await open(path, 'wx', 0o600))
    } catch (cause) {
      this.#leave(peer)
      throw notKept(cause)
    }
  }

  /** The result, if it is `peer` whose call it was. */
  find(peer: PeerId, id: string): KeptResult {
    return this.#need(peer, id)
  }

  /** The bytes from `from` on, a part at a time. */
  async *read(
    peer: PeerId,
    id: string,
    from: number,
    partBytes: number,
  ): AsyncGenerator<Uint8Array> {
    const { size, path } = this.#need(peer, id)
    const file = await open(path, 'r')
    try {
      for (let at = from; at < size; ) {
        const part = new Uint8Array(Math.min(partBytes, size - at))
        const { bytesRead } = await file.read(part, 0, part.length, at)
        if (bytesRead === 0) throw McpError.RESULT_UNKNOWN({ found: 'its file is cut short' })
        at += bytesRead
        yield part.subarray(0, bytesRead)
      }
      const kept = this.#kept.get(id)
      if (kept === undefined) return
      // Never later than it was: who reads it again and again would keep its room for good.
      kept.untilMs = Math.min(kept.untilMs, this.#deps.clock.now() + READ_KEEP_MS)
    } finally {
      await file.close()
    }
  }

  async #makeFolder(): Promise<void> {
    this.#made ??= mkdir(this.#deps.folder, { recursive: true, mode: 0o700 })
    try {
      await this.#made
    } catch (error) {
      this.#made = undefined
      throw error
    }
  }

  #writer(given: Pick<Kept, 'id' | 'peer' | 'path'>, file: FileHandle): ResultWriter {
    const { peer, path, id } = given
    const hash = createHash('sha256')
    let size = 0
    let over = false
    const end = async () => {
      over = true
      await file.close()
    }
    const forget = async () => {
      this.#bytes.give([peer], size)
      this.#leave(peer)
      await rm(path, { force: true }).catch(() => {})
    }
    return {
      write: async (bytes) => {
        if (!this.#bytes.take([peer], bytes.length)) throw this.#tooLarge(size + bytes.length)
        size += bytes.length
        hash.update(bytes)
        await file.writeFile(bytes).catch((cause: unknown) => {
          throw notKept(cause)
        })
      },
      finish: async () => {
        await end().catch(async (cause: unknown) => {
          await forget()
          throw notKept(cause)
        })
        const kept = { id, size, sha256: hash.digest('hex') }
        const untilMs = this.#deps.clock.now() + KEEP_MS
        this.#kept.set(id, { ...given, ...kept, untilMs })
        return kept
      },
      drop: async () => {
        if (over) return
        await end().catch(() => {})
        await forget()
      },
    }
  }

  #need(peer: PeerId, id: string): Kept {
    const kept = this.#kept.get(id)
    if (kept?.peer === peer) return kept
    throw McpError.RESULT_UNKNOWN({ found: 'it is not kept, or not any more, for you' })
  }

  async #sweep(): Promise<void> {
    const nowMs = this.#deps.clock.now()
    for (const [id, { peer, path, size, untilMs }] of [...this.#kept]) {
      if (untilMs > nowMs) continue
      this.#kept.delete(id)
      this.#bytes.give([peer], size)
      this.#leave(peer)
      await rm(path, { force: true }).catch(() => {})
    }
  }

  #tooLarge(size: number) {
    return McpError.RESULT_TOO_LARGE({ size, limit: this.#config.resultStoreBytes })
  }

  #enter(peer: PeerId): void {
    const count = this.#counts.get(peer) ?? 0
    if (count >= PER_PEER_MAX) {
      throw McpError.RESULT_UNSENT({
        what: 'the number of results kept for one peer',
        limit: PER_PEER_MAX,
      })
    }
    this.#counts.set(peer, count + 1)
  }

  #leave(peer: PeerId): void {
    const count = this.#counts.get(peer) ?? 0
    if (count > 1) this.#counts.set(peer, count - 1)
    else this.#counts.delete(peer)
  }
}

function notKept(cause: unknown) {
  const found = cause instanceof Error ? cause.message : 'an unknown reason'
  return McpError.RESULT_STORE_FAILED({ found }, cause)
}
