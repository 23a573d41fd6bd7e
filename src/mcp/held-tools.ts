/**
 * Holds calls by name to what was approved: where a tool of a peer was approved once, be it by a
 * person or because an assistant was shown it, and says otherwise now, nobody here calls it until
 * it is approved again. A call by hand approves nothing by itself, and needs no approval.
 */

import { type Clock, CodedError, TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Approvals } from './approvals.ts'
import { nameTools, type ToolPlace } from './catalog-names.ts'
import { McpError } from './errors.ts'
import type { Sessions } from './session.ts'
import type { ToolInfo } from './tool.ts'
import { judge } from './verdict.ts'

export interface HeldToolsDeps {
  readonly self: PeerId
  readonly approvals: Pick<Approvals, 'isKnown' | 'verdict'>
  readonly sessions: Pick<Sessions, 'listTools'>
  readonly clock: Clock
  /** What the catalog calls a tool, where it lists it. */
  readonly nameOf: (place: ToolPlace) => string | undefined
}

/** As long as the directory trusts what it found: what a peer lists is not asked for each call. */
const LISTS = { entriesMax: 128, ttlMs: 30_000 }
/** Lists with more text are asked for each time. */
const LIST_CHARS_MAX = 256 * 1_024

export class HeldTools {
  readonly #deps: HeldToolsDeps
  readonly #lists: TtlMap<string, readonly ToolInfo[]>

  constructor(deps: HeldToolsDeps) {
    this.#deps = deps
    this.#lists = new TtlMap({ ...LISTS, clock: deps.clock })
  }

  /** Throws `MCP_TOOL_CHANGED` for a tool that is not what was approved; nothing is sent then. */
  async check({ peer, service, tool }: ToolPlace, signal: AbortSignal): Promise<void> {
    const { self, approvals, nameOf } = this.#deps
    const place = { peer, service, tool }
    if (peer === self || !approvals.isKnown(place)) return
    const info = await this.#infoOf(place, signal)
    if (info === undefined || approvals.verdict({ peer, service, info }) !== 'changed') {
      return
    }
    // What it says now may be what it said when it was approved, by the time of the next call.
    this.#lists.delete(`${peer}/${service}`)
    const [plain = tool] = nameTools([place], self, () => undefined).keys()
    throw McpError.TOOL_CHANGED({ name: nameOf(place) ?? plain, peer, service, tool })
  }

  async #infoOf({ peer, service, tool }: ToolPlace, signal: AbortSignal) {
    const key = `${peer}/${service}`
    const is = ({ name }: ToolInfo) => name === tool
    const known = this.#lists.get(key)
    if (known !== undefined) return known.find(is)
    const listed = await this.#ask({ peer, service, tool }, signal)
    if (JSON.stringify(listed).length <= LIST_CHARS_MAX) this.#lists.set(key, listed)
    return listed.find(is)
  }

  /** The tool was not called, whatever came of the question. */
  async #ask(place: ToolPlace, signal: AbortSignal): Promise<readonly ToolInfo[]> {
    const { peer, service, tool } = place
    const { sessions } = this.#deps
    try {
      // A stream that was kept since the service began anew ends with the first question.
      return await sessions.listTools(peer, service, { signal }).catch((error: unknown) => {
        if (signal.aborted || judge(error) === 'unsent') throw error
        return sessions.listTools(peer, service, { signal })
      })
    } catch (error) {
      signal.throwIfAborted()
      if (judge(error) === 'unsent') throw error
      const reason = error instanceof CodedError ? error.message : 'it did not list its tools'
      throw McpError.PEER_FAILED({ peer, tool, sent: false, reason }, error)
    }
  }
}
