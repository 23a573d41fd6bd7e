/**
 * Floor 5. Telling everybody who listens: topics over GossipSub, each message checked by the rules
 * of its topic before it is delivered or passed on.
 *
 * In: a service for libp2p (`gossipService`, handed to `createNet`) and a policy. Out: messages of
 * the topics we subscribe to. Start reading at `topics.ts`, then `checks.ts`, then `gossip.ts`; of
 * what GossipSub lacks, at `replay-guard.ts`, `peer-queue.ts`, `conduct.ts` and `repair.ts`.
 */

export type { Admission } from './checks.ts'
export type { Codec } from './codec.ts'
export { type PubsubConfig, pubsubConfig } from './config.ts'
export { PubsubError } from './errors.ts'
export { type Gossip, type GossipDeps, gossipService, type Router } from './gossip.ts'
export { type PubsubMetrics, pubsubMetrics } from './metrics.ts'
export type { PublishOptions, SubscribeOptions } from './options.ts'
export { type Published, Pubsub, type PubsubDeps, type TopicState } from './pubsub.ts'
export type { Asking } from './repair.ts'
export { REPAIR_METHOD } from './repair-protocol.ts'
export { ReplayFile, type ReplayFileDeps } from './replay-file.ts'
export type { ReplayRule } from './replay-guard.ts'
export type { Message } from './subscription.ts'
export type { RepairRule, TopicRules } from './topics.ts'
