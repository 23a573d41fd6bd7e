/**
 * The table between the configuration file and the code: TOML keys are in snake_case and in the
 * specification's units (seconds), knobs in camelCase with their unit in the name.
 *
 * Names that the specification settled are listed here. Every other knob of a room has the name
 * that follows from its own: `dht.questionTimeoutMs` is `question_timeout` in `[dht]`, in seconds.
 */

import { type Knob, type KnobKind, knobs } from './config.ts'

/** One key of the file and the knob that it turns. */
export interface Key {
  /** `section.key` of the file. */
  readonly toml: string
  /** The knob's place in `NodeConfig`. */
  readonly code: string
  readonly kind: KnobKind
  /** What the file's number is multiplied with; a second has 1,000 of the code's milliseconds. */
  readonly scale: number
  readonly description: string
}

/** A key that has one value for now: what it switches is not built, or may not be switched. */
export interface FixedKey {
  readonly toml: string
  readonly kind: KnobKind
  readonly now: string | number | boolean | readonly string[]
  /** The room that will make it effective; absent where the value stays. */
  readonly comesWith?: string
  /** Why it may not be changed. */
  readonly because?: string
}

const NAMED: Readonly<Record<string, string>> = {
  preset: 'network.preset',
  network: 'network.name',
  peerId: 'network.peer_id',
  dataDir: 'network.data',
  'net.listen': 'network.listen_addresses',
  'net.announce': 'network.announce_addresses',
  'net.connectionsMax': 'resources.max_connections',
  'net.connectionTimeoutMs': 'resources.connection_timeout',
  'net.memoryMaxMb': 'resources.max_memory_mb',
  'net.peerMemoryBytes': 'resources.peer_memory_bytes',
  'net.connectionMemoryBytes': 'resources.connection_memory_bytes',
  'net.bandwidthMaxMbps': 'resources.bandwidth_limit_mbps',
  'net.bandwidthPerPeerMaxMbps': 'resources.bandwidth_limit_per_peer_mbps',
  'bootstrap.mdns': 'network.mdns',
  'dht.replication': 'dht.replication_factor',
  'mcp.concurrentMax': 'mcp.max_concurrent_requests',
  'access.ratePerPeer': 'security.rate_limit_per_peer',
  'access.rateTotal': 'security.total_rate_limit',
  'access.rateGranted': 'security.rate_limit_granted',
  'access.burstSeconds': 'security.rate_burst',
  'control.mcpAddress': 'mcp.server_address',
  'control.mcpExposeBeyondLoopback': 'mcp.expose_beyond_loopback',
}

/** Sections whose name in the file is not that of the room. */
const SECTION: Readonly<Record<string, string>> = { net: 'network', access: 'security' }

const ALWAYS_ON = 'connections are encrypted and peers prove who they are, always'

const FIXED: readonly FixedKey[] = [
  { toml: 'tunneling.enabled', kind: 'boolean', now: false, comesWith: 'the room "tunnel"' },
  {
    toml: 'tunneling.preferred_protocols',
    kind: 'texts',
    now: ['native'],
    comesWith: 'the room "tunnel"',
  },
  {
    toml: 'tunneling.fallback_cascade',
    kind: 'boolean',
    now: false,
    comesWith: 'the room "tunnel"',
  },
  { toml: 'tunneling.probe_interval', kind: 'number', now: 0, comesWith: 'the room "tunnel"' },
  { toml: 'security.enable_encryption', kind: 'boolean', now: true, because: ALWAYS_ON },
  { toml: 'security.require_authentication', kind: 'boolean', now: true, because: ALWAYS_ON },
  { toml: 'storage.enabled', kind: 'boolean', now: false, comesWith: 'the room "storage"' },
  { toml: 'memory.enabled', kind: 'boolean', now: false, comesWith: 'the room "memory"' },
]

/** Sections of rooms to come: any key in them is one that will be built, not a misspelt one. */
export const SECTIONS_TO_COME = ['tunneling', 'storage', 'memory'] as const

const SECTION_ORDER = [
  'network',
  'bootstrap',
  'channel',
  'dht',
  'tunneling',
  'mcp',
  'security',
  'resources',
  'control',
  'log',
  'pubsub',
  'rpc',
  'storage',
  'memory',
  'agent',
  'evm',
]

/** Every effective key, by its name in the file. */
export const keys: ReadonlyMap<string, Key> = new Map(
  knobs().map((knob) => {
    const key = keyOf(knob)
    return [key.toml, key]
  }),
)

export const fixedKeys: ReadonlyMap<string, FixedKey> = new Map(
  FIXED.map((fixed) => [fixed.toml, fixed]),
)

/** The key of this name, or the table that it is an entry of. */
export function keyCovering(toml: string): Key | undefined {
  const table = keys.get(toml.split('.', 2).join('.'))
  return keys.get(toml) ?? (table?.kind === 'table' ? table : undefined)
}

/** Every key that the file may have, in the order in which it is written. */
export function tomlNames(): readonly string[] {
  const place = (toml: string) => SECTION_ORDER.indexOf(toml.split('.', 1)[0] ?? '')
  return [...keys.keys(), ...fixedKeys.keys()].sort((a, b) => place(a) - place(b))
}

/** A value of the file as the knob wants it. */
export function toCode(key: Key, value: unknown): unknown {
  if (typeof value !== 'number' || key.scale === 1) return value
  return Math.round(value * key.scale)
}

/** A knob's value as the file has it. */
export function toToml(key: Key, value: unknown): unknown {
  return typeof value === 'number' ? value / key.scale : value
}

function keyOf({ path, kind, description }: Knob): Key {
  const [room = '', knob = ''] = path.split('.')
  const ms = knob.endsWith('Ms')
  const toml = NAMED[path] ?? `${SECTION[room] ?? room}.${snakeCase(knob)}`
  return { toml, code: path, kind: ms ? 'number' : kind, scale: ms ? 1_000 : 1, description }
}

function snakeCase(knob: string): string {
  return knob.replace(/(?:Ms|Seconds)$/, '').replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)
}
