/** What the operations on grants do. */

import type { Routes } from './routes.ts'
import type { ServedNode } from './served-node.ts'

type GrantName = 'grants' | 'grant' | 'grantAccept' | 'grantDelegate' | 'grantRevoke' | 'audit'

export function grantRoutes({ grants }: Pick<ServedNode, 'grants'>): Pick<Routes, GrantName> {
  return {
    grants: async () => ({ issued: grants.list(), held: grants.held() }),
    grant: (asked) => grants.issue(asked),
    grantAccept: ({ token }) => grants.accept(token),
    grantDelegate: async (asked) => ({ token: await grants.delegate(asked) }),
    async grantRevoke({ id }) {
      await grants.revoke(id)
      return { done: true }
    },
    audit: async ({ limit }) => grants.audit(limit),
  }
}
