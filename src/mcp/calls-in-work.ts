/**
 * How many calls of this node each peer has in work now: what an explanation shows of its queue.
 */

import type { PeerId } from '../identity/index.ts'
import type { Sessions } from './session.ts'

export class CallsInWork implements Pick<Sessions, 'callTool'> {
  readonly #sessions: Pick<Sessions, 'callTool'>
  readonly #byPeer = new Map<PeerId, number>()

  constructor(sessions: Pick<Sessions, 'callTool'>) {
    this.#sessions = sessions
  }

  at(peer: PeerId): number {
    return this.#byPeer.get(peer) ?? 0
  }

  callTool: Sessions['callTool'] = async (peer, call, options) => {
    this.#byPeer.set(peer, this.at(peer) + 1)
    try {
      return await this.#sessions.callTool(peer, call, options)
    } finally {
      const left = this.at(peer) - 1
      if (left > 0) this.#byPeer.set(peer, left)
      else this.#byPeer.delete(peer)
    }
  }
}
