/**
 * Every limit and parameter that GossipSub takes, by name. Its defaults trust strangers: frames of
 * 4 MiB, topics without end, addresses of peers from whoever prunes us.
 */

import type { GossipsubOpts } from '@libp2p/gossipsub'
import type { TopicScoreParams } from '@libp2p/gossipsub/score'
import { UNHEARD_SCORE } from './conduct.ts'
import type { PubsubConfig } from './config.ts'
import { FRAME_LIMITS } from './frame-check.ts'
import type { Rpc } from './stock.ts'

/** One message of the largest size with its signature, and room for what travels with it. */
export const FRAME_BYTES_MAX = 1_024 * 1_024
/** What we put into one frame, so that the other side takes it. */
export const FRAME_BYTES_SENT_MAX = 768 * 1_024
/** Around the data of a message: author, number, signature, key, topic and the lengths of all. */
export const MESSAGE_OVERHEAD_BYTES = 512
/** One stream each way, and one that replaces it while the old one ends. */
const STREAMS_MAX = 2
/** Unsent bytes of one peer; beyond this its stream is dropped. */
const OUTBOUND_BYTES_MAX = 2 * FRAME_BYTES_MAX
/** Heartbeats for which a whole message is kept, and those of them in which it is told of. */
const HISTORY = 5
const HISTORY_TOLD = 3

/** One peer's deeds in one topic. P3 is off: in a quiet topic it punishes everybody. */
export const TOPIC_SCORE: TopicScoreParams = {
  topicWeight: 1,
  // P1: up to 3 for five minutes in the mesh.
  timeInMeshWeight: 0.01,
  timeInMeshQuantum: 1_000,
  timeInMeshCap: 300,
  // P2: up to 7 for being first with messages.
  firstMessageDeliveriesWeight: 0.35,
  firstMessageDeliveriesDecay: 0.9,
  firstMessageDeliveriesCap: 20,
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.9,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 0,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 5_000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.9,
  // P4: one leaves the mesh, two are told nothing, five in some seconds are not heard.
  invalidMessageDeliveriesWeight: -5,
  invalidMessageDeliveriesDecay: 0.9,
}

/** GossipSub's options, from our knobs. */
export function gossipsubSettings(
  config: PubsubConfig,
  appSpecificScore: (peer: string) => number,
): Partial<GossipsubOpts> {
  return {
    ...POLICY,
    scoreParams: { ...PEER_SCORE, appSpecificScore },
    scoreThresholds: SCORE_THRESHOLDS,
    D: config.meshPeers,
    Dlo: config.meshPeersMin,
    Dhi: config.meshPeersMax,
    Dscore: Math.ceil(config.meshPeers / 2),
    // Must be below D_low and at most half of D (GossipSub v1.1, "Outbound Mesh Quotas").
    Dout: Math.min(2, config.meshPeersMin - 1, Math.floor(config.meshPeers / 2)),
    Dlazy: config.meshPeers,
    gossipFactor: 0.25,
    heartbeatInterval: config.heartbeatMs,
    mcacheLength: HISTORY,
    mcacheGossip: HISTORY_TOLD,
    seenTTL: config.seenTtlMs,
    gossipsubIWantFollowupMs: 3 * config.heartbeatMs,
    maxInboundStreams: STREAMS_MAX,
    maxOutboundStreams: STREAMS_MAX,
    maxInboundDataLength: FRAME_BYTES_MAX,
    maxOutboundBufferSize: OUTBOUND_BYTES_MAX,
    // Names and their upkeep as GossipSub counts them; `Interests` counts the topics.
    maxTopicBytesPerPeer: config.topicsPerPeerMax * (256 + 1_024),
    decodeRpcLimits: {
      maxSubscriptions: FRAME_LIMITS.subscriptions,
      maxMessages: FRAME_LIMITS.messages,
      maxControlMessages: FRAME_LIMITS.controls,
      maxIhaveMessageIDs: FRAME_LIMITS.names,
      maxIwantMessageIDs: FRAME_LIMITS.names,
      maxIdontwantMessageIDs: 512,
      maxPeerInfos: FRAME_LIMITS.peers,
    },
  }
}

const POLICY: Partial<GossipsubOpts> = {
  globalSignaturePolicy: 'StrictSign',
  emitSelf: false,
  // Our own messages go to every subscriber we are connected to, whoever is in the mesh.
  floodPublish: true,
  batchPublish: true,
  allowPublishToZeroTopicPeers: true,
  ignoreDuplicatePublishError: false,
  fallbackToFloodsub: false,
  runOnLimitedConnection: false,
  asyncValidation: false,
  // What comes in is admitted at once or dropped: to wait would pile up bytes that nobody counts.
  awaitRpcHandler: false,
  awaitRpcMessageHandler: false,
  // Which connections live is the concern of `net`; being in a mesh gives no right to stay.
  tagMeshPeers: false,
  // Nobody learns of peers from us here, and we dial nobody on the word of who lets us go.
  doPX: false,
  directPeers: [],
  directConnectTicks: 300,
  prunePeers: 0,
  pruneBackoff: 60_000,
  unsubcribeBackoff: 10_000,
  graftFloodThreshold: 10_000,
  opportunisticGraftPeers: 2,
  opportunisticGraftTicks: 60,
  idontwantMinDataSize: 512,
  idontwantMaxMessages: 512,
}

/** GossipSub v1.1 scores: only what all honest nodes agree on costs a peer its place. */
export const PEER_SCORE = {
  topics: {},
  topicScoreCap: 10,
  // P5 is what `conduct` holds against a peer.
  appSpecificWeight: 1,
  // P6: `net` takes 64 connections of one host; many nodes of one machine are no attack.
  IPColocationFactorWeight: -1,
  IPColocationFactorThreshold: 32,
  IPColocationFactorWhitelist: new Set(['127.0.0.1', '::1']),
  // P7: broken promises and hasty grafts, the first six forgiven.
  behaviourPenaltyWeight: -10,
  behaviourPenaltyThreshold: 6,
  behaviourPenaltyDecay: 0.9,
  decayInterval: 1_000,
  decayToZero: 0.1,
  // An identity costs nothing: what is remembered of those that left only costs memory.
  retainScore: 60_000,
}

/** From when on a peer is told nothing, is not published to, and is not heard. */
export const SCORE_THRESHOLDS = {
  // Below what a cooled peer has, which is told of messages; two false ones cost 20.
  gossipThreshold: -15,
  publishThreshold: -50,
  graylistThreshold: UNHEARD_SCORE,
  acceptPXThreshold: Number.POSITIVE_INFINITY,
  opportunisticGraftThreshold: 1,
}

/** Stock answers IWANT with all at once, and a frame too long ends gossip between two peers. */
export function fitting(rpc: Rpc): Rpc {
  const messages = rpc.messages ?? []
  if (messages.length < 2) return rpc
  let room = FRAME_BYTES_SENT_MAX
  const end = messages.findIndex(({ data }) => {
    room -= (data?.length ?? 0) + MESSAGE_OVERHEAD_BYTES
    return room < 0
  })
  return end < 0 ? rpc : { ...rpc, messages: messages.slice(0, end) }
}
