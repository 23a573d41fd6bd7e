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
  extraProtocols: z
    .array(z.string().regex(/^\/[\w./-]{1,127}$/))
    .max(4)
    .default(() => [])
    .describe('DHTs of other networks that the node looks things up in, as a client'),
  persist: z
    .boolean()
    .default(true)
    .describe('Whether what is stored here is kept on disk; else it ends with the node'),
  k: z.int().min(1).max(20).default(20).describe('Peers in an answer, and found by a lookup'),
  bucketPeersMax: z
    .int()
    .min(1)
    .max(200)
    .default(20)
    .describe('Peers in a bucket of the routing table; 200 for first peers that many ask'),
  sitePeersMax: z
    .int()
    .min(1)
    .max(1_000)
    .default(3)
    .describe('Peers of one public /16 (IPv4) or /32 (IPv6) in the routing table'),
  siteBucketPeersMax: z
    .int()
    .min(1)
    .max(1_000)
    .default(2)
    .describe('Peers of one public /16 (IPv4) or /32 (IPv6) in a bucket of it'),
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
    .describe('How long our values live, and those of others here; records of agents live a day'),
  providerTtlSeconds: seconds()
    .default(86_400)
    .describe('How long we remember who provides something'),
  workBits: z
    .int()
    .min(0)
    .max(WORK_BITS_MAX)
    .default(12)
    .describe('Proof of work on each value; the same in a whole network'),
  datagrams: z
    .boolean()
    .default(true)
    .describe('Whether peers of our own network are also asked, and answered, as UDP datagrams'),
  datagramPort: z
    .int()
    .min(0)
    .max(65_535)
    .default(0)
    .describe('UDP port for datagrams; 0 for the number of the TCP port, or any that is free'),
  datagramsPerHost: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(2_000)
    .describe('Datagrams a second of one IPv4 address or IPv6 /56 that are read'),
  questionTimeoutMs: pauseMs().default(5_000).describe('How long one peer may take to answer'),
  lookupTimeoutMs: pauseMs().default(15_000).describe('How long one lookup may take in all'),
  questionsMax: z
    .int()
    .min(20)
    .max(2_000)
    .default(200)
    .describe('Questions of one lookup, so that liars cannot lead it on for ever'),
  regionQuestionsMax: z
    .int()
    .min(1)
    .max(2_000)
    .default(120)
    .describe('Questions in the region around a key, where made-up peers crowd the honest out'),
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
  senderRecordsMax: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(512)
    .describe('Values that one peer may have brought, whoever published them'),
  senderBytesMax: z
    .int()
    .min(RECORD_BYTES_MAX)
    .max(64 * 1024 ** 3)
    .default(2 * 1024 ** 2)
    .describe('Bytes of values that one peer may have brought'),
  siteRecordsMax: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(4_096)
    .describe('Values that peers of one public network (IPv4 /16, IPv6 /32) may have brought'),
  siteBytesMax: z
    .int()
    .min(RECORD_BYTES_MAX)
    .max(64 * 1024 ** 3)
    .default(16 * 1024 ** 2)
    .describe('Bytes of values that peers of one public network may have brought'),
  refusalsMax: z
    .int()
    .min(1)
    .max(10_000)
    .default(32)
    .describe('Bad writes of one peer within the penalty time, after which none of it is read'),
  penaltyMs: pauseMs()
    .default(minutes(1))
    .describe('How long nothing is stored for a peer whose writes were refused too often'),
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
  providersPerSiteMax: z
    .int()
    .min(1)
    .max(10_000_000)
    .default(16_384)
    .describe('Provider records that peers of one public network may have here'),
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
