/**
 * The configuration of a node: the sections of the rooms below joined as one schema, and what
 * belongs to no room of its own. `[control]` stands here too: the room is above this one, the
 * loader is here, and imports point down.
 */

import { z } from 'zod'
import { accessConfig } from '../access/index.ts'
import { agentConfig } from '../agent/index.ts'
import { LOG_LEVELS } from '../base/index.ts'
import { dhtConfig } from '../dht/index.ts'
import { evmConfig } from '../evm/index.ts'
import { peerId } from '../identity/index.ts'
import { mcpConfig } from '../mcp/index.ts'
import { channelConfig, netConfig } from '../net/index.ts'
import { pubsubConfig } from '../pubsub/index.ts'
import { rpcConfig } from '../rpc/index.ts'
import { MAIN_NETWORK } from '../wire/index.ts'
import { PLACES, REGION_ADDRESSES_MAX, type Region } from './regions.ts'
import { inferenceConfig } from './tools/inference/config.ts'
import { STANDARD_TOOLS } from './tools/names.ts'

export const PRESETS = ['public', 'private', 'agent', 'bootstrap', 'test'] as const
export type Preset = (typeof PRESETS)[number]

const PORT_MAX = 65_535
const BOOTSTRAP_MAX = 64
const FILE_NAME_MAX = 4_096

const address = z.string().max(64).refine(isAddressWithPort, {
  error: 'wanted an IP address and a port, such as 127.0.0.1:9002 or [::1]:9002',
})

/** The `[control]` section: the local API, and the address of the MCP gateway from `[mcp]`. */
export const controlConfig = z.strictObject({
  apiAddress: address
    .optional()
    .describe('Where the API listens. Absent: 127.0.0.1:9002, or the next free port'),
  exposeBeyondLoopback: z
    .boolean()
    .default(false)
    .describe('Let api_address be reached from other hosts, in clear text, by whoever has a token'),
  mcpAddress: address
    .optional()
    .describe('Where the MCP gateway listens. Absent: 127.0.0.1:8545, or the next free port'),
  mcpExposeBeyondLoopback: z
    .boolean()
    .default(false)
    .describe('Let server_address be reached from other hosts, in clear text, with the token'),
  grpcAddress: address
    .optional()
    .describe('Where gRPC listens, such as 127.0.0.1:50051. Absent: nowhere'),
  grpcCertificateFile: z
    .string()
    .min(1)
    .max(FILE_NAME_MAX)
    .optional()
    .describe('PEM file of the certificate for gRPC over TLS, which other hosts must use'),
  grpcKeyFile: z
    .string()
    .min(1)
    .max(FILE_NAME_MAX)
    .optional()
    .describe('PEM file of the private key of that certificate'),
  operationTimeoutMs: z
    .int()
    .min(100)
    .max(3_600_000)
    .default(60_000)
    .describe('How long an operation may take when its caller names no time-out'),
})

export type ControlConfig = z.infer<typeof controlConfig>

const region = (key: Region) =>
  z
    .array(z.string().min(1).max(1_024))
    .max(REGION_ADDRESSES_MAX)
    .default([])
    .describe(`Multiaddrs of first peers in ${PLACES[key]}; none is known until you name one`)

const bootstrapConfig = z.strictObject({
  nodes: z
    .array(z.string().min(1).max(1_024))
    .max(BOOTSTRAP_MAX)
    .default([])
    .describe('Multiaddrs of first peers; /dnsaddr/ names are looked up'),
  usEastVirginia: region('usEastVirginia'),
  usWestOregon: region('usWestOregon'),
  euWestAmsterdam: region('euWestAmsterdam'),
  seaSingapore: region('seaSingapore'),
  wanted: z
    .array(z.string().min(1).max(1_024))
    .max(BOOTSTRAP_MAX)
    .default([])
    .describe('Peer ids or multiaddrs to stay connected to, across changes of the network'),
  keepAll: z
    .boolean()
    .default(false)
    .describe('Stay connected to all of them: for nodes that are first peers themselves'),
  mdns: z.boolean().default(true).describe('Find peers on the same link, and be found by them'),
})

const logConfig = z.strictObject({
  level: z.enum(LOG_LEVELS).default('info').describe('The level of every module without its own'),
  modules: z
    .record(z.string().max(64), z.enum(LOG_LEVELS))
    .default({})
    .describe('Levels by module, such as net or dht'),
})

const sections = {
  net: netConfig,
  channel: channelConfig,
  bootstrap: bootstrapConfig,
  dht: dhtConfig.extend({
    enabled: z.boolean().default(true).describe('Find and be found beyond the peers connected'),
  }),
  pubsub: pubsubConfig,
  rpc: rpcConfig,
  mcp: mcpConfig.extend({
    enabled: z.boolean().default(true).describe('Offer services, call tools, serve assistants'),
    availableTools: z
      .array(z.enum(STANDARD_TOOLS))
      .max(STANDARD_TOOLS.length)
      .default([...STANDARD_TOOLS])
      .describe('The standard tools that this node offers; each is for whom its kind is'),
    inference: inferenceConfig,
  }),
  access: accessConfig,
  agent: agentConfig,
  evm: evmConfig,
  control: controlConfig,
  log: logConfig,
}

const own = {
  preset: z.enum(PRESETS).default('public').describe('What every other key is taken from if unset'),
  network: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, {
      error: 'wanted up to 32 lower-case letters, digits and hyphens',
    })
    .default(MAIN_NETWORK)
    .describe('Keeps networks apart: peers of another name are strangers'),
  peerId: z
    .string()
    .max(128)
    .refine((text) => text === 'auto' || isPeerId(text), {
      error: 'wanted "auto" or the base58 peer id of the key in the data folder',
    })
    .default('auto')
    .describe('The peer id that the key must have, or auto for whichever it has'),
  dataDir: z.string().min(1).optional().describe('The data folder; absent, that of the platform'),
}

/** The whole configuration. What `createNode` takes is its input, what rooms get its output. */
export const nodeConfig = z
  .strictObject({
    ...own,
    net: sections.net.prefault({}),
    channel: sections.channel.prefault({}),
    bootstrap: sections.bootstrap.prefault({}),
    dht: sections.dht.prefault({}),
    pubsub: sections.pubsub.prefault({}),
    rpc: sections.rpc.prefault({}),
    mcp: sections.mcp.prefault({}),
    access: sections.access.prefault({}),
    agent: sections.agent.prefault({}),
    evm: sections.evm.prefault({}),
    control: sections.control.prefault({}),
    log: sections.log.prefault({}),
  })
  .refine(({ preset, network, pubsub }) => !isOpenGroup({ preset, network, pubsub }), {
    error:
      'wanted false: with preset "private" topics need a network name of the group\'s own, ' +
      'because every node that subscribes passes messages on',
    path: ['pubsub', 'enabled'],
  })

/** A private group whose topics anybody else would have under the same name. */
function isOpenGroup(config: {
  readonly preset: Preset
  readonly network: string
  readonly pubsub: { readonly enabled: boolean }
}): boolean {
  return config.preset === 'private' && config.pubsub.enabled && config.network === MAIN_NETWORK
}

export type NodeConfig = z.output<typeof nodeConfig>
export type NodeOptions = z.input<typeof nodeConfig>

export type KnobKind = 'text' | 'integer' | 'number' | 'boolean' | 'texts' | 'table'

/** One knob of the schema, as the table of TOML keys and the reference need it. */
export interface Knob {
  /** Its place in `NodeConfig`, such as `dht.recordTtlSeconds`. */
  readonly path: string
  readonly kind: KnobKind
  readonly description: string
  /** Absent where nothing is assumed. */
  readonly fallback?: unknown
  /** Of a number; of a list, how many entries it may have. */
  readonly min?: number
  readonly max?: number
  readonly choices?: readonly string[]
}

/** Every knob there is, read from the schemas themselves, so that none can be forgotten. */
export function knobs(): readonly Knob[] {
  return [
    ...knobsOf('', z.strictObject(own)),
    ...Object.entries(sections).flatMap(([name, schema]) => knobsOf(`${name}.`, schema)),
  ]
}

function knobsOf(prefix: string, schema: z.ZodObject): Knob[] {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return Object.entries(properties).map(([name, property]) => {
    const found = property as Property
    const { type, description = '', minimum: min, maximum: max = found.maxItems } = found
    return {
      path: `${prefix}${name}`,
      kind: kindOf(type),
      description,
      ...('default' in found && { fallback: found.default }),
      ...(min !== undefined && { min }),
      ...(max !== undefined && { max }),
      ...(found.enum !== undefined && { choices: found.enum }),
    }
  })
}

/** What we read of a JSON schema. */
interface Property {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly maxItems?: number
  readonly enum?: readonly string[]
}

function kindOf(type: string | undefined): KnobKind {
  if (type === 'integer' || type === 'number' || type === 'boolean') return type
  if (type === 'array') return 'texts'
  return type === 'object' ? 'table' : 'text'
}

function isAddressWithPort(text: string): boolean {
  const port = /^(?:\[[0-9a-f:.]+\]|[0-9.]+|localhost):(\d{1,5})$/i.exec(text)?.[1]
  return port !== undefined && Number(port) <= PORT_MAX
}

function isPeerId(text: string): boolean {
  try {
    return peerId(text) === text
  } catch {
    return false
  }
}
