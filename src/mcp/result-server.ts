/** Gives the results that are kept here to the peers whose calls they were, a part at a time. */

import type { Policy } from '../access/index.ts'
import type { Clock, Logger, Service } from '../base/index.ts'
import type { Channel, Host } from '../net/index.ts'
import { McpError } from './errors.ts'
import {
  decodeQuestion,
  encodeHead,
  encodeRefusal,
  PART_BYTES_MAX,
  resultProtocol,
} from './result-protocol.ts'
import type { ResultStore } from './result-store.ts'

const ASK_TIMEOUT_MS = 10_000
/** A peer that reads nothing for so long has its stream ended; it may go on from where it was. */
const WRITE_TIMEOUT_MS = 30_000

export interface ResultServerDeps {
  readonly host: Pick<Host, 'handle'>
  readonly store: Pick<ResultStore, 'find' | 'read'>
  readonly policy: Pick<Policy, 'admit'>
  readonly clock: Clock
  readonly log: Logger
  readonly network: string
}

export class ResultServer implements Service {
  readonly name = 'mcp result server'
  readonly #deps: ResultServerDeps
  readonly #open = new Set<Channel>()

  constructor(deps: ResultServerDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    const { host, network } = this.#deps
    await host.handle(resultProtocol(network), (channel) => this.#serve(channel))
  }

  async stop(): Promise<void> {
    const error = McpError.PIPE_ENDED({ wanted: 'go on' })
    for (const channel of this.#open) channel.abort(error)
  }

  async #serve(channel: Channel): Promise<void> {
    const { log } = this.#deps
    const { peer } = channel
    this.#open.add(channel)
    try {
      await this.#answer(channel)
      await channel.close()
    } catch (error) {
      log.debug('result not given', { peer, error })
      channel.abort(error instanceof Error ? error : McpError.PIPE_ENDED({ wanted: 'go on' }))
    } finally {
      this.#open.delete(channel)
    }
  }

  async #answer(channel: Channel): Promise<void> {
    const { policy, clock, store } = this.#deps
    const { peer } = channel
    policy.admit(peer, 'mcp.call')
    using asked = clock.deadline(ASK_TIMEOUT_MS)
    const frame = await channel.read({ signal: asked.signal })
    if (frame === undefined) return
    const { result, from } = decodeQuestion(frame)
    try {
      await this.#write(channel, encodeHead(store.find(peer, result)))
    } catch (error) {
      await this.#write(channel, encodeRefusal(error))
      return
    }
    for await (const part of store.read(peer, result, from, PART_BYTES_MAX)) {
      await this.#write(channel, part)
    }
  }

  async #write(channel: Channel, frame: Uint8Array): Promise<void> {
    using deadline = this.#deps.clock.deadline(WRITE_TIMEOUT_MS)
    try {
      await channel.write(frame, { signal: deadline.signal })
    } catch (error) {
      if (!deadline.signal.aborted) throw error
      throw McpError.NOT_READ({ afterMs: WRITE_TIMEOUT_MS }, error)
    }
  }
}
