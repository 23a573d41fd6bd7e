/** What tools to look for, as the API writes it and as the node takes it. */

import { peerId } from '../identity/index.ts'
import type { Given } from './api.ts'
import type { ToolQuery } from './served-node.ts'

/** A query of the API, its arguments taken apart: `a:number,b` is `{ a: 'number', b: 'any' }`. */
export function wantedIn({ accepts, peer, ...query }: Given<'tools'>): ToolQuery {
  return {
    ...query,
    ...(peer !== undefined && { peer: peerId(peer) }),
    ...(accepts !== undefined && { accepts: argumentsIn(accepts) }),
  }
}

function argumentsIn(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split(',').map((argument): [string, string] => {
      const [name = '', type = 'any'] = argument.split(':')
      return [name, type]
    }),
  )
}
