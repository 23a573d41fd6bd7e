/**
 * Calling one certain peer by the name of a tool: which of its services has it?
 *
 * A peer that came a moment ago may not have announced its tools yet, so the network is asked again
 * until it has, within the time that any lookup has.
 */

import type { Clock } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Directory, McpConfig } from '../mcp/index.ts'

const PAUSE_MS = 200
/** Within this time a peer that announces anything has announced what it exposed before. */
const SETTLED_MS = 1_000

export interface CallPeerDeps {
  readonly directory: Pick<Directory, 'find'>
  readonly clock: Clock
  readonly config: Pick<McpConfig, 'lookupTimeoutMs'>
}

/** The one service of `peer` that has the tool; undefined when none has, or several have. */
export async function serviceAt(
  { peer, tool }: { readonly peer: PeerId; readonly tool: string },
  { directory, clock, config }: CallPeerDeps,
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
