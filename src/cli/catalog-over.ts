/** The catalog of a running node, for a face that an assistant talks to in this process. */

import { type Clock, every } from '../base/index.ts'
import type { Catalog, ToolInfo } from '../mcp/index.ts'
import type { NodeClient } from './rooms.ts'

/** How often a watcher looks at who is connected, and how often it lists anyway. */
const LOOK_MS = 5_000
const LIST_MS = 60_000

/**
 * Every list and call goes to the node, which knows its peers. Lists wait for `ready`: an
 * assistant often asks only once, and a node that has just started knows nobody yet.
 */
export function catalogOver(
  node: Pick<NodeClient, 'catalogList' | 'catalogCall' | 'catalogRead' | 'status'>,
  clock: Clock,
  ready: Promise<unknown>,
): Catalog {
  /** What the assistant was told last. */
  let told: string | undefined
  let toldMs = 0
  let peers: number | undefined

  const look = async (listener: () => void, signal: AbortSignal): Promise<void> => {
    const { peers: connected } = await node.status({ signal })
    const isOld = clock.now() - toldMs >= LIST_MS
    if (told === undefined || (connected === peers && !isOld)) return
    const found = namesOf(await node.catalogList({ signal }))
    const before = told
    ;[told, toldMs, peers] = [found, clock.now(), connected]
    if (found !== before && !signal.aborted) listener()
  }

  return {
    async list(options = {}) {
      await ready
      const tools = await node.catalogList(options)
      ;[told, toldMs] = [namesOf(tools), clock.now()]
      return tools
    },
    call: (name, args, options = {}) => node.catalogCall(name, args, options),
    read: (uri, options = {}) => node.catalogRead(uri, options),
    watch(listener) {
      const life = new AbortController()
      // A node that does not answer has no other list; the next look may find it back.
      const work = () => look(listener, life.signal).catch(() => undefined)
      void every(clock, LOOK_MS, work, life.signal)
      return () => life.abort()
    },
  }
}

/** Descriptions as well: they are what an assistant chooses by. */
function namesOf(tools: readonly ToolInfo[]): string {
  return JSON.stringify(tools.map(({ name, description }) => [name, description]).sort())
}
