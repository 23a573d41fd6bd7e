/** What topics need of the rest of the node: a codec, a file, and a way to ask for what is lost. */

import { join } from 'node:path'
import { type PubsubDeps, REPAIR_METHOD, ReplayFile } from '../pubsub/index.ts'
import type { RpcClient, RpcServer } from '../rpc/index.ts'
import type { Given } from './compose.ts'
import type { ResolvedConfig } from './load-config.ts'

type TopicParts = Required<Pick<PubsubDeps, 'codec' | 'replays' | 'asking'>>

/** What is missing of a topic is asked for as everything is that one peer asks of another. */
export function topicParts(
  { dataDir }: ResolvedConfig,
  { clock, random, log, machine, injected }: Given,
  rpc: { readonly client: RpcClient; readonly server: RpcServer },
): TopicParts {
  const file = join(dataDir, 'replay.json')
  const keepsFiles = machine?.keepsFiles ?? true
  return {
    codec: injected.codec,
    // The numbers of messages that were heard, so that a restart does not make them new.
    replays: keepsFiles
      ? new ReplayFile({ file, clock, random, log: log.child('pubsub') })
      : machine?.replays,
    asking: {
      ask: (peer, question, options) => rpc.client.call(peer, REPAIR_METHOD, question, options),
      serve: (answer) => {
        rpc.server.handle(REPAIR_METHOD, (question, { peer }) => answer(question, peer))
      },
    },
  }
}
