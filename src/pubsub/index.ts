/**
 * Floor 5. Telling everybody who listens: topics over GossipSub, each message checked by the rules
 * of its topic before it is delivered or passed on.
 *
 * In: a service for libp2p (`gossipService`, handed to `createNet`) and a policy. Out: messages of
 * the topics we subscribe to. Start reading at `topics.ts`, then `checks.ts`, then `gossip.ts`.
 */

export type { Admission } from './checks.ts'
export type { Codec } from './codec.ts'
export { type PubsubConfig, pubsubConfig } from './config.ts'
export { PubsubError } from './errors.ts'
export { type Gossip, type GossipDeps, gossipService, type Router } from './gossip.ts'
export { type PubsubMetrics, pubsubMetrics } from './metrics.ts'
export {
  type Published,
  type PublishOptions,
  Pubsub,
  type PubsubDeps,
  type SubscribeOptions,
  type TopicState,
} from './pubsub.ts'
export type { Message } from './subscription.ts'
export type { TopicRules } from './topics.ts'
