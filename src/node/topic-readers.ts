/**
 * Who reads a topic: the peers of our own mesh, and those who say so in the DHT; and who offers
 * what has this name there, such as `mcp:tool:echo`, for whoever asks need not know which it is.
 */

import type { PeerId } from '../identity/index.ts'
import type { Pubsub } from '../pubsub/index.ts'
import type { Waits } from './call-peer.ts'
import type { NodeDht } from './injected.ts'
import { partOf } from './state.ts'
import { nameOf } from './topic-peers.ts'

export interface TopicReadersDeps {
  readonly dht: Pick<NodeDht, 'findProviders'> | null
  readonly pubsub: Pick<Pubsub, 'mesh'> | null
  readonly self: PeerId
}

/** Others than this node. Throws only where nobody could be asked, or nobody answered. */
export async function findReaders(
  topic: string,
  { dht, pubsub, self }: TopicReadersDeps,
  options: Waits,
): Promise<readonly PeerId[]> {
  const near = pubsub?.mesh(topic) ?? []
  if (dht === null && pubsub !== null) return near
  const own = partOf('dht', dht)
  const asked = [nameOf(topic), topic].map((name) => own.findProviders(name, options))
  const answers = await Promise.allSettled(asked)
  const [first] = answers
  options.signal?.throwIfAborted()
  // A topic may be no name of the DHT; that it cannot be asked under ours is an error.
  if (first?.status === 'rejected' && near.length === 0) throw first.reason
  const told = answers.flatMap((answer) => {
    return answer.status === 'fulfilled' ? answer.value.providers.map(({ peer }) => peer) : []
  })
  return [...new Set([...near, ...told])].filter((peer) => peer !== self)
}
