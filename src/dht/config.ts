import { z } from 'zod'
import { WORK_BITS_MAX } from '../access/index.ts'
import { RECORD_BYTES_MAX, TTL_SECONDS_MAX } from './record.ts'

const minutes = (count: number) => count * 60_000
const seconds = () => z.int().min(1).max(TTL_SECONDS_MAX)
const pauseMs = () =>
  z
    .int()
    .min(100)
    .max(minutes(24 * 60))

/** The `[dht]` section of the configuration file. */
export const dhtConfig = z.strictObject({
  mode: z
    .enum(['server', 'client'])
    .default('server')
    .describe('A client asks and publishes, but stores nothing for others and is not found'),
  protocol: z
    .string()
    .regex(/^\/[\w./-]{1,127}$/)
    .optional()
    .describe('Protocol id; left out, it follows from the name of the network'),
  k: z.int().min(1).max(20).default(20).describe('Peers in a bucket and in an answer'),
  alpha: z.int().min(1).max(20).default(5).describe('Questions a lookup has on their way at once'),
  paths: z
    .int()
    .min(1)
    .max(20)
    .default(8)
    .describe('Disjoint paths of a lookup; 8 withstand a third of liars at twice the cost of 1'),
  replication: z.int().min(1).max(20).default(20).describe('Peers that are asked to store a value'),
  readQuorum: z
    .int()
    .min(1)
    .max(20)
    .default(4)
    .describe('Holders of the newest version after which a read is content'),
  recordTtlSeconds: seconds()
    .default(3_600)
    .describe('How long our values live, and how long we keep those of others at most'),
  providerTtlSeconds: seconds()
    .default(86_400)
    .describe('How long we remember who provides something'),
  workBits: z
    .int()
    .min(0)
    .max(WORK_BITS_MAX)
    .default(12)
    .describe('Proof of work on each value; the same in a whole network'),
  questionTimeoutMs: pauseMs().default(5_000).describe('How long one peer may take to answer'),
  lookupTimeoutMs: pauseMs().default(15_000).describe('How long one lookup may take in all'),
  questionsMax: z
    .int()
    .min(20)
    .max(2_000)
    .default(200)
    .describe('Questions of one lookup, so that liars cannot lead it on for ever'),
  streamIdleMs: pauseMs()
    .default(minutes(5))
    .describe('After this long without a question a stream is closed'),
  streamsMax: z
    .int()
    .min(1)
    .max(10_000)
    .default(512)
    .describe('Streams for questions that are kept open; the idlest makes room'),
  recordsMax: z.int().min(1).max(1_000_000).default(16_384).describe('Values stored for others'),
  bytesMax: z
    .int()
    .min(RECORD_BYTES_MAX)
    .max(64 * 1024 ** 3)
    .default(64 * 1024 ** 2)
    .describe('Bytes of values stored for others; the farthest make room for nearer ones'),
  publisherRecordsMax: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(256)
    .describe('Values stored for one publisher'),
  publisherBytesMax: z
    .int()
    .min(RECORD_BYTES_MAX)
    .max(64 * 1024 ** 3)
    .default(1024 ** 2)
    .describe('Bytes stored for one publisher'),
  providersMax: z
    .int()
    .min(1)
    .max(10_000_000)
    .default(100_000)
    .describe('Provider records stored in all'),
  providersPerKeyMax: z
    .int()
    .min(1)
    .max(10_000)
    .default(256)
    .describe('Providers remembered for one key; the one that expires first makes room'),
  providersPerPeerMax: z
    .int()
    .min(1)
    .max(100_000)
    .default(1_024)
    .describe('Keys for which one peer may be a provider here'),
  publishedMax: z
    .int()
    .min(1)
    .max(100_000)
    .default(1_024)
    .describe('Values, and as many names provided, that this node keeps alive itself'),
  refreshIntervalMs: pauseMs()
    .default(minutes(10))
    .describe('How often every part of the routing table is looked at'),
  republishIntervalMs: pauseMs()
    .default(minutes(20))
    .describe('How often our values and provider records are stored anew, at the latest'),
  maintenanceIntervalMs: pauseMs()
    .default(10_000)
    .describe('How often the node looks whether something is due'),
  peerFailuresMax: z
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe('Failures in a row after which a peer leaves the routing table'),
  peerFreshMs: pauseMs()
    .default(minutes(1))
    .describe('A peer seen this recently is taken to be alive'),
  peerRetryMs: pauseMs()
    .default(30_000)
    .describe('A peer that could not be reached is not tried again before, but at new addresses'),
})

export type DhtConfig = z.infer<typeof dhtConfig>
