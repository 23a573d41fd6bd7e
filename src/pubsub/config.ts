import { z } from 'zod'

const KIB = 1_024
const MIB = 1_024 * KIB

/** No message is larger, whatever a topic's rules say: the contract's limit of a body. */
export const MESSAGE_BYTES_MAX = 512 * KIB

/** Authors whose numbers are kept at most, in memory and in the file. */
export const REPLAY_AUTHORS_MAX = 4_096

const perSecond = (fallback: number, min: number, max: number) =>
  z.int().min(min).max(max).default(fallback)

/** The `[pubsub]` section: how we take part in topics, and what peers may cost us there. */
export const pubsubConfig = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Take part in topics; when off, GossipSub is not even loaded'),
    messageBytesMax: z
      .int()
      .min(1)
      .max(MESSAGE_BYTES_MAX)
      .default(64 * KIB)
      .describe('Largest message of a topic whose rules name no size of their own'),
    topicsPerPeerMax: z
      .int()
      .min(1)
      .max(1_024)
      .default(64)
      .describe('Topics that one peer may subscribe to, and that we do ourselves'),
    queueMax: z
      .int()
      .min(1)
      .max(100_000)
      .default(1_000)
      .describe('Messages kept for a subscriber that is slow; then the oldest is dropped'),
    queueBytesMax: z
      .int()
      .min(MESSAGE_BYTES_MAX)
      .max(1_024 * MIB)
      .default(8 * MIB)
      .describe('Bytes of messages kept for a subscriber that is slow; then the oldest is dropped'),
    peerQueueMax: z
      .int()
      .min(16)
      .max(100_000)
      .default(1_024)
      .describe('Frames that wait for a peer that is slow; then the oldest is dropped'),
    peerQueueBytesMax: z
      .int()
      .min(MIB)
      .max(64 * MIB)
      .default(2 * MIB)
      .describe('Bytes that wait for a peer that is slow; then the oldest frame is dropped'),
    coolingMs: z
      .int()
      .min(1_000)
      .max(3_600_000)
      .default(30_000)
      .describe('How long a peer that is slow again and again is left alone; then twice as long'),
    replayWindowMs: z
      .int()
      .min(1_000)
      .max(300_000)
      .default(60_000)
      .describe(
        'How far the time of a message may be from our clock; at most half of seen_ttl, so that ' +
          'whatever is forgotten is too old',
      ),
    replayAuthorsMax: z
      .int()
      .min(16)
      .max(REPLAY_AUTHORS_MAX)
      .default(REPLAY_AUTHORS_MAX)
      .describe('Authors whose last numbers are kept, also across a restart'),
    messagesPerSecondMax: perSecond(1_000, 1, 100_000).describe(
      'Messages of all peers that we check, repeated ones too; each is remembered for seen_ttl',
    ),
    bytesPerSecondMax: perSecond(8 * MIB, MESSAGE_BYTES_MAX, 1_024 * MIB).describe(
      'Bytes of messages of all peers; those of five heartbeats stay in memory',
    ),
    bytesPerPeerPerSecondMax: perSecond(MIB, MESSAGE_BYTES_MAX, 1_024 * MIB).describe(
      'Bytes of messages that one peer hands us',
    ),
    seenTtlMs: z
      .int()
      .min(10_000)
      .max(600_000)
      .default(120_000)
      .describe('How long a message is known to have been seen; a repeated one is not taken'),
    heartbeatMs: z
      .int()
      .min(100)
      .max(60_000)
      .default(1_000)
      .describe('How often meshes are mended and messages told of to peers outside of them'),
    meshPeers: z
      .int()
      .min(1)
      .max(64)
      .default(6)
      .describe('Peers of a topic that we pass each message on to (GossipSub D)'),
    meshPeersMin: z
      .int()
      .min(1)
      .max(64)
      .default(4)
      .describe('With fewer we look for more (GossipSub D_low)'),
    meshPeersMax: z
      .int()
      .min(1)
      .max(64)
      .default(12)
      .describe('With more we let some go (GossipSub D_high)'),
  })
  .refine(
    ({ meshPeers, meshPeersMin, meshPeersMax }) =>
      meshPeersMin <= meshPeers && meshPeers <= meshPeersMax,
    { error: 'wanted mesh_peers_min ≤ mesh_peers ≤ mesh_peers_max', path: ['meshPeers'] },
  )
  .refine(({ replayWindowMs, seenTtlMs }) => 2 * replayWindowMs <= seenTtlMs, {
    error: 'wanted at most half of seen_ttl',
    path: ['replayWindowMs'],
  })

export type PubsubConfig = z.infer<typeof pubsubConfig>
