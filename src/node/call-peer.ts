/**
 * Calling one certain peer by the name of a tool: which of its services has it?
 *
 * A peer that came a moment ago may not have announced its tools yet, so the network is asked again
 * until it has, within the time that any lookup has.
 */

import type { Clock } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import {
  type CallResult,
  type Directory,
  type McpConfig,
  McpError,
  type OnLarge,
  type Router,
  type ToolArgs,
} from '../mcp/index.ts'

/** Ends the work early. */
export interface Waits {
  readonly signal?: AbortSignal
}

/** Where a call may go: to anybody who offers the tool, or only to this service or peer. */
export interface CallTarget extends Waits {
  readonly service?: string
  readonly peer?: PeerId
  /** For the whole call; `request_timeout` unless given. */
  readonly timeoutMs?: number
  /** To a blinded service, of which whoever offers it gave this out. */
  readonly invitation?: string
  /** Of the caller's own, the same each time that it repeats the call; drawn unless given. */
  readonly key?: string
  /** Asks a second peer after so many ms, where the tool may run twice; true: as usual. */
  readonly hedge?: number | true
  /** The result says who was considered, who was tried, and why. */
  readonly explain?: boolean
  /** Takes a result above one frame in parts, in place of having it whole in memory. */
  readonly onlarge?: OnLarge
  /** Tokens to show besides those that the node holds. */
  readonly grants?: readonly string[]
}

const PAUSE_MS = 200
/** Within this time a peer that announces anything has announced what it exposed before. */
const SETTLED_MS = 1_000

export interface CallPeerDeps {
  readonly directory: Pick<Directory, 'find'>
  readonly router: Pick<Router, 'call'>
  readonly clock: Clock
  readonly config: Pick<McpConfig, 'lookupTimeoutMs' | 'requestTimeoutMs'>
}

interface Call {
  readonly peer: PeerId
  readonly tool: string
  readonly args: ToolArgs
}

/** Finds the service of `peer` that has the tool and calls it; the time counts for both. */
export async function callAt(
  { peer, tool, args }: Call,
  deps: CallPeerDeps,
  options: {
    readonly service?: string
    readonly signal?: AbortSignal
    readonly timeoutMs?: number
    readonly grants?: readonly string[]
    readonly onlarge?: OnLarge
  },
): Promise<CallResult> {
  const { clock, router, config } = deps
  const { timeoutMs = config.requestTimeoutMs, signal } = options
  const untilMs = clock.now() + timeoutMs
  const lookupTimeoutMs = Math.min(config.lookupTimeoutMs, timeoutMs)
  const finding = { ...deps, config: { lookupTimeoutMs } }
  const service = options.service ?? (await serviceAt({ peer, tool }, finding, signal))
  const leftMs = untilMs - clock.now()
  if (leftMs < 1) throw McpError.DEADLINE({ tool, timeoutMs, attempts: [] })
  const named = service === undefined ? {} : { service }
  return router.call(tool, args, { ...options, ...named, peer, timeoutMs: leftMs })
}

interface Finding {
  readonly directory: CallPeerDeps['directory']
  readonly clock: Clock
  readonly config: Pick<McpConfig, 'lookupTimeoutMs'>
}

/** The one service of `peer` that has the tool; undefined when none has, or several have. */
export async function serviceAt(
  { peer, tool }: { readonly peer: PeerId; readonly tool: string },
  { directory, clock, config }: Finding,
  given: AbortSignal | undefined,
): Promise<string | undefined> {
  using deadline = clock.deadline(config.lookupTimeoutMs, given)
  const { signal } = deadline
  const sinceMs = clock.now()
  try {
    for (;;) {
      const { entries } = await directory.find({}, { signal })
      const theirs = entries.filter((entry) => entry.peer === peer)
      const having = theirs.filter((entry) => entry.tool === tool)
      const [service, ...others] = new Set(having.map((entry) => entry.service))
      if (service !== undefined) return others.length === 0 ? service : undefined
      if (theirs.length > 0 && clock.now() - sinceMs >= SETTLED_MS) return undefined
      await clock.sleep(PAUSE_MS, signal)
    }
  } catch (error) {
    given?.throwIfAborted()
    if (signal.aborted) return undefined
    throw error
  }
}
