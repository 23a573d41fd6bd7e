/** The tools that look at this node and change it: for its operator, and whom that grants them. */

import { z } from 'zod'
import type { Emitter } from '../../base/index.ts'
import type { Tool, ToolContext } from '../../mcp/index.ts'
import type { NodeStatus, PeerStatus } from '../shapes.ts'
import { ToolsError } from '../tools-errors.ts'
import type { Changed, Configuration } from './configuration.ts'
import { standardTool } from './define.ts'
import type { ToolsEvents } from './events.ts'
import { peerText } from './texts.ts'

/** What the tools of management ask of the node. */
export interface ManagementDeps {
  readonly status: () => NodeStatus
  readonly peers: () => Promise<readonly PeerStatus[]>
  readonly resources: () => object
  readonly configuration: Pick<Configuration, 'change' | 'revert' | 'revertible'>
  readonly events: Emitter<ToolsEvents>
}

const CHANGES_MAX = 64
const CONNECTIONS_MAX = 500

export function managementTools(deps: ManagementDeps): readonly Tool[] {
  return [getStatus(deps), listConnections(deps), configure(deps)]
}

function getStatus({ status, resources }: ManagementDeps): Tool {
  return standardTool(
    'get_status',
    {
      title: 'Status of the node',
      description:
        'How this node is: its addresses, health with reasons, reachability, transports, tunnels ' +
        'and what its connections use. What does not work here says why and what would help.',
      readOnly: true,
      input: z.strictObject({}),
      output: z.looseObject({
        peerId: z.string(),
        health: z.looseObject({ status: z.string(), reasons: z.array(z.string()) }),
        peers: z.int(),
        version: z.string(),
      }),
    },
    async () => ({ ...status(), resources: resources() }),
  )
}

function listConnections({ peers }: ManagementDeps): Tool {
  return standardTool(
    'list_connections',
    {
      title: 'Connections of the node',
      description:
        'The peers that this node is connected to, each with its connections (address, ' +
        'direction, transport, path, age, streams) and the protocols that it speaks.',
      readOnly: true,
      input: z.strictObject({
        peer: peerText.optional().describe('Only this peer'),
        limit: z.int().min(1).max(CONNECTIONS_MAX).default(100).describe('How many peers to list'),
        offset: z.int().min(0).max(1_000_000).default(0).describe('How many to leave out first'),
      }),
      output: z.object({
        total: z.int(),
        peers: z.array(
          z.looseObject({ peer: z.string(), connections: z.array(z.looseObject({})) }),
        ),
      }),
    },
    async ({ peer, limit, offset }) => {
      const all = await peers()
      const wanted = all.filter((one) => (peer ?? one.peer) === one.peer)
      const listed = wanted.slice(offset, offset + limit)
      return { total: wanted.length, peers: listed.map((one) => ({ ...one })) }
    },
  )
}

/**
 * Who reaches this machine, whose keys it has and believes, where its secrets go, and where it
 * keeps its own things: a peer granted `configure` would make itself the owner with these. Keys
 * of the file, or the beginnings of several.
 */
export const OWNER_ONLY = [
  // It says what every key is that was not set: the addresses below as well.
  'network.preset',
  'network.data',
  'network.peer_id',
  'control',
  'mcp.server_address',
  'mcp.expose_beyond_loopback',
  'mcp.inference',
  'mcp.approve',
  // Code that runs in this process.
  'mcp.tools_folder',
  // The address that the node speaks for, and who says which agents there are.
  'agent.eth_key',
  'agent.require_registered',
  // It lets messages go in the clear.
  'agent.openpond_compat',
  'evm.rpc_url',
  'evm.registry_address',
] as const
const INHERITED = new Set(['__proto__', 'constructor', 'prototype'])

const values = z.record(
  z
    .string()
    .min(1)
    .max(128)
    .refine((key) => key.split('.').every((part) => !INHERITED.has(part)), {
      error: 'wanted a key of the configuration file',
    }),
  z.union([
    z.string().max(4_096),
    z.number(),
    z.boolean(),
    z.null(),
    z.array(z.string().max(4_096)).max(1_024),
  ]),
)

const input = z
  .strictObject({
    changes: values
      .optional()
      .describe('New values by key of the configuration file; null is the value of the preset'),
    persist: z.boolean().default(false).describe('Keep them in config.toml of the data folder'),
    revert: z.boolean().default(false).describe('Take the last change back instead'),
  })
  .refine(({ changes, revert }) => (changes === undefined) === revert, {
    error: 'wanted either changes or revert',
  })
  .refine(({ changes = {} }) => Object.keys(changes).length <= CHANGES_MAX, {
    error: `wanted at most ${CHANGES_MAX} keys`,
  })

type Wanted = z.output<typeof input>

function configure(deps: ManagementDeps): Tool {
  return standardTool(
    'configure',
    {
      title: 'Configure the node',
      description:
        'Changes the configuration while the node runs. All changes are checked first and ' +
        'refused together. The answer lists what applies now, what waits for a restart, and ' +
        'what each key said before; revert takes the last change back. Without persist a ' +
        'change ends with the run.',
      idempotent: false,
      input,
      output: z.object({
        now: z.array(z.string()),
        restart: z.array(z.string()),
        previous: z.record(z.string(), z.unknown()),
        persisted: z.boolean(),
        file: z.string().nullable(),
        notice: z.string().nullable(),
        revertible: z.int(),
      }),
    },
    (args, context) => changed(deps, args, context),
  )
}

async function changed(deps: ManagementDeps, args: Wanted, context: ToolContext) {
  const { configuration, events } = deps
  const { changes = {}, persist, revert } = args
  if (!revert && Object.keys(changes).length === 0) {
    const facts = { argument: 'changes', found: 'empty', wanted: 'at least one key' }
    throw ToolsError.TOOL_ARGUMENT({ tool: 'configure', ...facts })
  }
  const { caller, correlationId, log } = context
  const check = caller === null ? undefined : checkForPeers
  check?.(Object.keys(changes))
  const done = revert
    ? await configuration.revert(check)
    : await configuration.change(changes, { persist })
  const keys = Object.keys(done.previous)
  const audit = { caller, correlationId, keys, persisted: done.file !== null, reverted: revert }
  log.info('configured by tool', audit)
  events.emit('configured', audit)
  const { now, restart, previous, file } = done
  return {
    now: [...now],
    restart: [...restart],
    previous,
    persisted: file !== null,
    file,
    notice: noticeOf(done),
    revertible: configuration.revertible,
  }
}

/** Throws where a key is not for peers, whatever they were granted. */
function checkForPeers(keys: readonly string[]): void {
  const found = keys.find((key) => {
    return OWNER_ONLY.some((one) => key === one || key.startsWith(`${one}.`))
  })
  if (found === undefined) return
  const wanted = 'a key that peers may change; this one is for the owner: p2p config set'
  throw ToolsError.TOOL_ARGUMENT({ tool: 'configure', argument: 'a key', found, wanted })
}

function noticeOf({ restart, file }: Changed): string | null {
  if (restart.length > 0 && file === null) {
    return `${restart.join(', ')} would need a restart, and were not kept: they have no effect`
  }
  return file === null ? null : `${file} is read at the next start, unless --config names another`
}
