/** What a search finds: tools with where they are, and how far the answer can be relied on. */

import type { PeerId } from '../identity/index.ts'
import type { DescribedTool, Descriptor } from './descriptor.ts'
import type { ToolEntry, ToolInfo } from './tool.ts'
import { hashOfTool } from './tool-hash.ts'

/** A service of another peer, as its descriptor has it. */
export interface RemoteService {
  readonly peer: PeerId
  readonly service: string
  /** Changes whenever a tool or a schema does. */
  readonly schemaHash: string
}

export interface Failure {
  readonly peer: PeerId
  readonly code: string
}

/** What a search came to: what there is, and how far that can be relied on. */
export interface Found {
  /** Our own first, then by distance from this node. */
  readonly entries: readonly ToolEntry[]
  readonly services: readonly RemoteService[]
  /** How many peers answered, those of the DHT included. */
  readonly asked: number
  /** Whom we could not ask, or whose answer was none. */
  readonly failed: readonly Failure[]
  /** It was found some seconds ago and may have changed. */
  readonly cached: boolean
}

/** What a service says of all its tools. */
export type SaidOfAll = Pick<ToolEntry, 'tags' | 'price' | 'load'>

/** The same tools, each with where it is. */
export function entriesOf(
  service: string,
  peer: PeerId,
  tools: readonly (ToolInfo | DescribedTool)[],
  said: SaidOfAll = {},
): ToolEntry[] {
  return tools.map((tool) => {
    const { name, description, idempotent } = tool
    const hash = 'hash' in tool ? tool.hash : hashOfTool(tool)
    return {
      service,
      tool: name,
      peer,
      description,
      idempotent,
      ...said,
      ...(hash !== '' && { hash }),
    }
  })
}

/** Tools of a descriptor's service, with what it says of them all. */
export function foundEntries(
  { service, peer, tags, price, load }: Descriptor,
  tools: readonly (ToolInfo | DescribedTool)[],
): ToolEntry[] {
  return entriesOf(service, peer, tools, {
    ...(tags.length > 0 && { tags }),
    ...(price !== null && { price }),
    ...(load !== null && { load }),
  })
}
