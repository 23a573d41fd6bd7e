/** The tools of other peers with their schemas: found, asked for, and kept within bounds. */

import { type Clock, type Logger, TtlMap, WorkQueue } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Directory } from './directory.ts'
import type { RemoteService } from './search.ts'
import type { Sessions } from './session.ts'
import type { ToolInfo } from './tool.ts'

/** A tool with its schemas, and where it is. */
export interface PlacedTool {
  readonly peer: PeerId
  readonly service: string
  readonly info: ToolInfo
}

export interface RemoteToolsDeps {
  readonly directory: Pick<Directory, 'find'>
  readonly sessions: Pick<Sessions, 'listTools'>
  readonly clock: Clock
  readonly log: Logger
}

/** So that one peer with many tools leaves room for the others. */
const TOOLS_PER_PEER_MAX = 256
const FIND_TIMEOUT_MS = 2_000
/** A tool list is kept by its hash: a changed one is another list. */
const LISTS = { entriesMax: 2_048, ttlMs: 600_000 }
/** Of one service. */
const LIST_CHARS_MAX = 512 * 1_024
/** Of all lists together: what strangers can make us keep. */
const LISTS_CHARS_MAX = 32 * 1_024 * 1_024
/** How long it counts that a peer did not answer. */
const SILENT = { entriesMax: 1_024, ttlMs: 30_000 }
/**
 * Once happens to everybody: such a peer is asked last the next time. After the second time it is
 * not asked until the last one counts no more.
 */
const SILENT_MAX = 2
const ASKS = { name: 'mcp-remote-tools', concurrentMax: 16, waitingMax: 4_096 }

interface KeptList {
  readonly tools: readonly ToolInfo[]
  readonly chars: number
}

export class RemoteTools {
  readonly #deps: RemoteToolsDeps
  readonly #asks = new WorkQueue(ASKS)
  readonly #lists: TtlMap<string, KeptList>
  /** How often each has not answered, of late. */
  readonly #silent: TtlMap<PeerId, number>

  constructor(deps: RemoteToolsDeps) {
    const { clock } = deps
    this.#deps = deps
    this.#lists = new TtlMap({ ...LISTS, clock })
    this.#silent = new TtlMap({ ...SILENT, clock })
  }

  /** What peers offer, nearest peer first; whoever has not answered by the deadline is left out. */
  async gather(signal: AbortSignal): Promise<PlacedTool[]> {
    const services = await this.#services(signal)
    const lists = new Map<RemoteService, readonly PlacedTool[]>()
    const ask = async (service: RemoteService) => {
      lists.set(service, await this.#tools(service, signal))
    }
    const asked = services.toSorted((a, b) => this.#timesSilent(a) - this.#timesSilent(b))
    await Promise.all(asked.map(ask))
    const counts = new Map<PeerId, number>()
    const found = services.flatMap((service) => lists.get(service) ?? [])
    return found.filter(({ peer }) => {
      const count = (counts.get(peer) ?? 0) + 1
      counts.set(peer, count)
      return count <= TOOLS_PER_PEER_MAX
    })
  }

  /** The tools of one service, kept or asked for; none where its peer does not answer in time. */
  list(remote: RemoteService, signal: AbortSignal): Promise<PlacedTool[]> {
    return this.#tools(remote, signal)
  }

  async #services(signal: AbortSignal): Promise<readonly RemoteService[]> {
    const { directory, log } = this.#deps
    try {
      const { services } = await directory.find({}, { signal, timeoutMs: FIND_TIMEOUT_MS })
      return services.filter((service) => this.#timesSilent(service) < SILENT_MAX)
    } catch (error) {
      log.debug('no services found', { error })
      return []
    }
  }

  #timesSilent({ peer }: { readonly peer: PeerId }): number {
    return this.#silent.get(peer) ?? 0
  }

  async #tools(remote: RemoteService, signal: AbortSignal): Promise<PlacedTool[]> {
    const { peer, service, schemaHash } = remote
    const key = `${peer}/${service}/${schemaHash}`
    try {
      // Without a hash nothing says whether the list is still what it was.
      const known = schemaHash === '' ? undefined : this.#lists.get(key)
      const list = known ?? (await this.#ask(remote, signal))
      if (schemaHash !== '') this.#keep(key, list)
      return list.tools.map((info) => ({ peer, service, info }))
    } catch (error) {
      this.#deps.log.debug('tools of a peer not listed', { peer, service, error })
      return []
    }
  }

  /** The least recently used lists make room. */
  #keep(key: string, list: KeptList): void {
    this.#lists.set(key, list)
    const entries = this.#lists.entries()
    let chars = entries.reduce((sum, [, kept]) => sum + kept.chars, 0)
    while (chars > LISTS_CHARS_MAX && entries.length > 1) {
      const [oldest, kept] = entries.pop() ?? [key, list]
      this.#lists.delete(oldest)
      chars -= kept.chars
    }
  }

  async #ask({ peer, service }: RemoteService, signal: AbortSignal): Promise<KeptList> {
    const times = this.#timesSilent({ peer })
    const tools = await this.#asks.run(async () => {
      signal.throwIfAborted()
      try {
        return await this.#deps.sessions.listTools(peer, service, { signal })
      } catch (error) {
        // Only who was asked: those who waited behind silent ones have done nothing. All services
        // of a peer that are asked for together are silent once.
        this.#silent.set(peer, times + 1)
        throw error
      }
    })
    // What it says to one question makes up for no other that it was asked meanwhile.
    if (this.#timesSilent({ peer }) === times) this.#silent.delete(peer)
    return withinBudget(tools)
  }
}

/** As many tools as fit; what one service may make us keep is bounded. */
function withinBudget(tools: readonly ToolInfo[]): KeptList {
  let chars = 0
  const fitting = tools.filter((tool) => {
    const size = JSON.stringify(tool).length
    if (chars + size > LIST_CHARS_MAX) return false
    chars += size
    return true
  })
  return { tools: fitting, chars }
}
