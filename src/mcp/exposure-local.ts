/**
 * Calls of this node's own tools by this node. Its user may call them all; where they are called
 * while a peer is served, only those that the peer may call itself.
 */

import type { PeerId } from '../identity/index.ts'
import { allowOf, allows, type Exposure } from './exposure.ts'
import type { GrantGate } from './exposure-stream.ts'
import { servedNow } from './on-behalf.ts'
import type { LocalCalls, Services } from './services.ts'

export interface GuardedDeps {
  readonly self: PeerId
  readonly services: Pick<Services, 'callTool' | 'exposureOf' | 'secretOf' | 'unknown'>
  readonly grants: GrantGate
}

/** The local services as the router calls them. */
export function guardedLocal({ self, services, grants }: GuardedDeps): LocalCalls {
  return {
    async callTool(service, tool, args, options = {}) {
      const served = servedNow()
      if (served === undefined || served.peer === self) {
        return services.callTool(service, tool, args, { ...options, caller: null })
      }
      const { peer, chain, tokens } = served
      const exposure: Exposure | undefined = services.exposureOf(service)
      const isBlinded = services.secretOf(service) !== undefined
      const isKnown = grants.rightsOf(peer, tokens).some((right) => right.service === service)
      if (isBlinded && !isKnown) throw services.unknown(service)
      if (exposure !== undefined && !allows(allowOf(exposure, tool), [peer, ...chain])) {
        grants.authorise({ peer, service, tool, args, onBehalfOf: chain }, tokens)
      }
      return services.callTool(service, tool, args, { ...options, caller: peer })
    },
  }
}
