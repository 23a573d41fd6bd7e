import { z } from 'zod'

const KIB = 1_024
const MIB = 1_024 * KIB

const ms = (fallback: number, from = 10) => z.int().min(from).max(3_600_000).default(fallback)
const count = (fallback: number, max = 100_000) => z.int().min(1).max(max).default(fallback)

/** Where a node listens unless told otherwise. A busy port of these moves to the next free one. */
export const DEFAULT_LISTEN: readonly string[] = [
  '/ip6/::/udp/9001/quic-v1',
  '/ip4/0.0.0.0/udp/9001/quic-v1',
  '/ip6/::/tcp/9000',
  '/ip4/0.0.0.0/tcp/9000',
]

/** Which versions of IP a node speaks. */
export const FAMILIES = ['any', 'ip4', 'ip6'] as const
export type Family = (typeof FAMILIES)[number]

const KINDS: Readonly<Record<Family, readonly string[]>> = {
  any: ['/ip4/', '/dns4/', '/ip6/', '/dns6/'],
  ip4: ['/ip4/', '/dns4/'],
  ip6: ['/ip6/', '/dns6/'],
}

/** The `[network]` section and the connection limits of `[resources]`. */
export const netConfig = z
  .strictObject({
    family: z
      .enum(FAMILIES)
      .default('any')
      .describe('The version of IP that is listened on and dialled, on the link too; any for both'),
    listen: z
      .array(z.string().max(512))
      .max(32)
      .optional()
      .describe('Multiaddrs to listen on. Absent: the defaults, whose ports may move when busy'),
    announce: z
      .array(z.string().max(512))
      .max(16)
      .default([])
      .describe('Multiaddrs told to others in place of those we listen on'),

    hub: z
      .enum(['auto', 'always', 'never'])
      .default('auto')
      .describe(
        'QUIC listens and dials by one port, to open a NAT, but slower; auto: behind a NAT',
      ),

    connectionsMax: count(1_000).describe('Open connections; more inbound ones are refused'),
    connectionsPerPeerMax: count(8, 1_000).describe('Inbound connections of one peer id'),
    connectionsPerHostMax: count(64).describe('Inbound connections from one IPv4 or IPv6 /56'),
    connectionsPerSiteMax: count(256).describe('Inbound connections from one IPv4 /24 or IPv6 /48'),
    pendingMax: count(256).describe('Inbound connections that are not yet encrypted'),
    pendingPerHostMax: count(4).describe(
      'Of these, from one IPv4 or IPv6 /56; half of all for loopback',
    ),
    pendingPerSiteMax: count(16).describe('Of these, from one IPv4 /24 or IPv6 /48'),
    inboundPerSecondMax: count(64, 10_000).describe('New connections a second from one address'),
    memoryMaxMb: z
      .int()
      .min(0)
      .max(1_048_576)
      .refine((mb) => mb === 0 || mb >= 128, { error: 'wanted 0 for no limit, or at least 128' })
      .default(0)
      .describe(
        'Memory of the whole process, half of it to wait: above it new work is refused and ' +
          'idle connections are closed. 0: only what waits has a limit, 512 MiB',
      ),
    peerMemoryBytes: z
      .int()
      .min(MIB)
      .max(1_024 * MIB)
      .default(64 * MIB)
      .describe('What may wait of one peer, over all its connections'),
    connectionMemoryBytes: z
      .int()
      .min(MIB)
      .max(1_024 * MIB)
      .default(16 * MIB)
      .describe('What may wait of one connection, in the streams that the other side opened'),
    bandwidthMaxMbps: z
      .number()
      .min(0)
      .max(1_000_000)
      .default(0)
      .describe('Megabits a second with all peers, each way, shared fairly; 0 for no limit'),
    bandwidthPerPeerMaxMbps: z
      .number()
      .min(0)
      .max(1_000_000)
      .default(0)
      .describe('Megabits a second with one peer, each way; 0 for no limit of its own'),

    connectionTimeoutMs: ms(30_000).describe('All of one connect, over all addresses of a peer'),
    addressTimeoutMs: ms(5_000).describe('One address of a peer, up to the encrypted connection'),
    upgradeTimeoutMs: ms(5_000).describe('An inbound connection must be encrypted by then'),
    negotiationTimeoutMs: ms(10_000).describe('A stream must have agreed on its protocol by then'),
    closeTimeoutMs: ms(1_000).describe('How long a goodbye may take before the line is cut'),
    lingerTimeoutMs: ms(10_000).describe('How long a closed channel waits for the other goodbye'),
    writeStallTimeoutMs: ms(30_000).describe('A channel whose reader takes nothing is broken then'),
    dialsMax: count(32, 1_000).describe('Peers connected to at once; more wait'),
    dialsWaitingMax: count(512).describe('Connects that may wait; more are refused as busy'),
    addressesPerDialMax: count(24, 64).describe('Addresses of one peer tried in one connect'),

    streamsPerConnectionMax: count(512, 10_000).describe('Streams on one connection, each way'),
    streamWindowBytes: z
      .int()
      .min(256 * KIB)
      .max(16 * MIB)
      .default(2 * MIB)
      .describe('Bytes of one stream on their way to a reader that is slow'),
    connectionWindowBytes: z
      .int()
      .min(256 * KIB)
      .max(64 * MIB)
      .default(8 * MIB)
      .describe('The same for all streams of one QUIC connection'),
    idleTimeoutMs: ms(30_000, 1_000).describe('A silent QUIC connection is dead after this'),
    keepAliveMs: ms(10_000, 100).describe('How often an idle connection is kept open'),
    livenessMs: ms(60_000, 1_000).describe('How often a connection must answer a ping to live'),

    relays: z
      .array(z.string().max(512))
      .max(16)
      .default([])
      .describe('Multiaddrs of relays to use first when nobody reaches this node otherwise'),
    relayClient: z
      .boolean()
      .default(true)
      .describe('Be reached through relays when nothing else reaches this node'),
    relayServer: z
      .enum(['auto', 'always', 'never'])
      .default('auto')
      .describe('Relay for others: once this node is found to be public, at once, or never'),
    relayReservationsMax: count(128, 4_096).describe('Peers that may be reached through this node'),
    relayCircuitsMax: count(256, 4_096).describe('Connections relayed at once'),
    relayCircuitBytesMax: z
      .int()
      .min(64 * KIB)
      .max(4_096 * MIB)
      .default(64 * MIB)
      .describe('Bytes of one relayed connection, each way'),
    relayCircuitTimeoutMs: ms(3_600_000, 10_000).describe('How long a relayed connection lasts'),
    relayHourlyBytesMax: z
      .int()
      .min(MIB)
      .max(1_024 * 1_024 * MIB)
      .default(8_192 * MIB)
      .describe(
        'Bytes relayed in an hour; a quarter of them for one network, an eighth for a peer',
      ),
    autonat: z
      .boolean()
      .default(true)
      .describe('Ask peers to dial this node to see whether it is reached, and do so for them'),
    holePunching: z
      .boolean()
      .default(true)
      .describe('Leave relays for direct connections through the NATs of both sides'),
    portMapping: z
      .boolean()
      .default(true)
      .describe('Ask the router to forward our ports, by PCP, NAT-PMP or UPnP'),
    gateway: z
      .ipv4()
      .optional()
      .describe(
        'The IPv4 address of the router to ask for ports. Absent: that of the default route',
      ),

    peersMax: count(4_096).describe('Peers remembered with addresses and protocols'),
    peerAgeMaxMs: ms(3_600_000).describe('How long a peer that is not seen again is remembered'),
  })
  .refine(({ family, listen = [] }) => listen.every((one) => isOfFamily(one, family)), {
    error: 'wanted addresses of the version of IP that family names',
    path: ['listen'],
  })

export type NetConfig = z.infer<typeof netConfig>

/** The `[channel]` section: channels that outlive a connection, at whichever side of them. */
export const channelConfig = z.strictObject({
  bufferFramesMax: count(1_024, 65_536).describe(
    'Frames of one channel that are not confirmed, and as many that nobody has read',
  ),
  bufferBytesMax: z
    .int()
    .min(256 * KIB)
    .max(64 * MIB)
    .default(MIB)
    .describe('The same in bytes; one frame has at most 256 KiB'),
  writeTimeoutMs: ms(30_000).describe('How long a frame waits for room before it is refused'),
  resumeTimeoutMs: ms(300_000, 1_000).describe('A channel without a connection is lost after this'),
  perPeerMax: count(16, 64).describe('Channels with one peer, made by either side'),
  sessionsMax: count(256, 10_000).describe('Channels with all peers'),
})

export type ChannelConfig = z.infer<typeof channelConfig>

/** Whether the ports are ours to move: nobody asked for certain ones. */
export function listenIsDefault(config: NetConfig): boolean {
  return config.listen === undefined
}

export function listenAddresses(config: NetConfig): readonly string[] {
  return (config.listen ?? DEFAULT_LISTEN).filter((address) => isOfFamily(address, config.family))
}

/** Whether an address may be used; one that says nothing of IP, as a plain name, may. */
export function isOfFamily(address: string, family: Family): boolean {
  const isOf = (one: Family) => KINDS[one].some((kind) => address.startsWith(kind))
  return isOf(family) || !isOf('any')
}
