/** The catalog of a running node, for a face that an assistant talks to in this process. */

import type { Catalog } from '../mcp/index.ts'
import type { NodeClient } from './rooms.ts'

/** Every list and call goes to the node, which knows its peers; nothing is kept here. */
export function catalogOver(node: Pick<NodeClient, 'catalogList' | 'catalogCall'>): Catalog {
  return {
    list: (options = {}) => node.catalogList(options),
    call: (name, args, options = {}) => node.catalogCall(name, args, options),
  }
}
