/** What the operations on the catalog do, besides listing and calling. */

import type { CatalogTool } from '../mcp/index.ts'
import type { Answer } from './api.ts'
import type { Routes } from './routes.ts'
import type { ServedNode } from './served-node.ts'

type CatalogName = 'catalogRead' | 'catalogWithheld' | 'catalogApprove' | 'catalogPin'

export function catalogRoutes({ catalog }: Pick<ServedNode, 'catalog'>): Pick<Routes, CatalogName> {
  return {
    catalogRead: ({ uri }, signal) => catalog.read(uri, { signal }),
    async catalogWithheld(_given, signal) {
      const withheld = await catalog.withheld({ signal })
      return withheld.map(({ tool, why, hash }) => {
        return { ...shown(tool), why, hash, inputSchema: tool.inputSchema }
      })
    },
    catalogApprove: async ({ name, hash }, signal) => {
      return shown(await catalog.approve(name, { signal, hash }))
    },
    catalogPin: async ({ name, pinned }, signal) => {
      return shown(await catalog.pin(name, pinned, { signal }))
    },
  }
}

function shown({ name, service, tool, peer, description }: CatalogTool): Answer<'catalogApprove'> {
  return { name, service, tool, peer, description }
}
