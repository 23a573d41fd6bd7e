/** The tools that look around in the network, and the one that hands a message on. */

import { AsyncLocalStorage } from 'node:async_hooks'
import { z } from 'zod'
import { type Clock, compareBytes, WorkQueue } from '../../base/index.ts'
import { type Dht, dhtKey } from '../../dht/index.ts'
import { type PeerId, peerId, peerIdToBytes } from '../../identity/index.ts'
import type { Directory, Tool, ToolContext } from '../../mcp/index.ts'
import type { Host } from '../../net/index.ts'
import type { NodeDht } from '../injected.ts'
import type { PeerIdentities } from '../peer-identities.ts'
import { ToolsError } from '../tools-errors.ts'
import { standardTool } from './define.ts'
import type { Messages } from './messages.ts'
import { type DhtPart, queryDht } from './query.ts'
import { byteLength, peerText } from './texts.ts'

/** What the tools of the network ask of the node. */
export interface NetworkDeps {
  readonly host: Pick<Host, 'self' | 'connections' | 'addressesOf'>
  readonly dht: NodeDht | null
  readonly ownDht: Pick<Dht, 'closest'> | null
  readonly identities: Pick<PeerIdentities, 'of'> | null
  readonly directory: Pick<Directory, 'find'>
  readonly messages: Pick<Messages, 'send'>
  readonly clock: Clock
}

/** A lookup costs us dozens of questions and a stranger one: so many at once, few wait. */
const LOOKUPS = { name: 'lookups for peers', concurrentMax: 4, waitingMax: 16 }
const LOOKUP_MS = 10_000
const FOUND_MAX = 100

export function networkTools(deps: NetworkDeps): readonly Tool[] {
  const lookups = new WorkQueue(LOOKUPS)
  const bounded: Bounded = async ({ caller, signal }, work) => {
    using deadline = deps.clock.deadline(LOOKUP_MS, signal)
    const run = () => work(deadline.signal)
    // This node itself need not wait behind strangers.
    if (caller === null) return await run()
    // Whoever makes room starts the next: it must not run in the name of that other caller.
    const ours = AsyncLocalStorage.snapshot()
    return await lookups.run(() => ours(run))
  }
  return [queryNetwork(deps, bounded), findPeers(deps, bounded), relayMessage(deps)]
}

type Bounded = <T>(context: ToolContext, work: (signal: AbortSignal) => Promise<T>) => Promise<T>

const failures = z.array(z.object({ peer: z.string(), code: z.string() }))

function queryNetwork(deps: NetworkDeps, bounded: Bounded): Tool {
  return standardTool(
    'query_network',
    {
      title: 'Query the network',
      description:
        'Looks something up in the distributed hash table: a record by its key, a peer by its ' +
        'id, the tools of a service or of a tool name, or who provides a capability. Says who ' +
        'answered and who did not: not found is only sure when nobody failed.',
      readOnly: true,
      input: z.strictObject({
        what: z.enum(['record', 'peer', 'tools', 'capability']).describe('What to look up'),
        key: z
          .string()
          .min(1)
          .max(512)
          .optional()
          .describe('The key of a record, a peer id, or the name of a capability such as relay'),
        service: z.string().min(1).max(63).optional().describe('For tools: only of this service'),
        tool: z.string().min(1).max(128).optional().describe('For tools: only of this name'),
        limit: z.int().min(1).max(FOUND_MAX).default(20).describe('How many to list at most'),
      }),
      output: z.object({
        what: z.string(),
        found: z.boolean(),
        value: z.string().nullable().optional(),
        encoding: z.enum(['utf8', 'base64']).optional(),
        publisher: z.string().nullable().optional(),
        peer: z.looseObject({}).nullable().optional(),
        tools: z.array(z.looseObject({})).optional(),
        providers: z.array(z.looseObject({})).optional(),
        answered: z.int(),
        failed: failures,
      }),
    },
    (args, context) => bounded(context, (signal) => queryDht(partsOf(deps), args, signal)),
  )
}

function partsOf({ dht, directory, identities }: NetworkDeps): DhtPart {
  return { dht, directory, identities }
}

function findPeers(deps: NetworkDeps, bounded: Bounded): Tool {
  return standardTool(
    'find_peers',
    {
      title: 'Find peers',
      description:
        'Finds peers by a capability that they announce (such as mcp:tool:add, mcp:service:calc ' +
        'or relay), or those closest to a peer id in the distributed hash table; nearest first. ' +
        'Without a hash table it lists the peers that this node is connected to.',
      readOnly: true,
      input: z.strictObject({
        capability: z.string().min(1).max(256).optional().describe('Only peers that provide this'),
        near: peerText.optional().describe('Closest to this peer id; to this node unless given'),
        connected: z.boolean().default(false).describe('Only those this node is connected to'),
        limit: z.int().min(1).max(FOUND_MAX).default(20).describe('How many to list at most'),
      }),
      output: z.object({
        source: z.enum(['dht', 'connections']),
        peers: z.array(
          z.object({ peer: z.string(), connected: z.boolean(), addresses: z.array(z.string()) }),
        ),
        answered: z.int(),
        failed: failures,
      }),
    },
    ({ capability, near, connected, limit }, context) =>
      bounded(context, async (signal) => {
        const { host } = deps
        const target = near === undefined ? host.self : peerId(near)
        const found = await candidates(deps, { capability, target, connected, signal })
        const open = new Set(host.connections().map(({ peer }) => peer))
        const listed = nearest(found.peers, target)
          .filter((peer) => peer !== host.self && (!connected || open.has(peer)))
          .slice(0, limit)
        const peers = listed.map(async (peer) => ({
          peer,
          connected: open.has(peer),
          addresses: [...(await host.addressesOf(peer))].slice(0, 8),
        }))
        const { source, answered, failed } = found
        return { source, peers: await Promise.all(peers), answered, failed: failed.slice(0, 64) }
      }),
  )
}

interface Candidates {
  readonly source: 'dht' | 'connections'
  readonly peers: readonly PeerId[]
  readonly answered: number
  readonly failed: readonly { readonly peer: PeerId; readonly code: string }[]
}

async function candidates(
  { host, dht, ownDht }: NetworkDeps,
  wanted: {
    readonly capability: string | undefined
    readonly target: PeerId
    readonly connected: boolean
    readonly signal: AbortSignal
  },
): Promise<Candidates> {
  const { capability, target, connected, signal } = wanted
  if (capability !== undefined) {
    if (dht === null) throw noDht('find_peers')
    const { providers, answered, failed } = await dht.findProviders(capability, { signal })
    const peers = providers.map(({ peer }) => peer)
    return { source: 'dht', peers, answered: answered.length, failed }
  }
  if (connected || ownDht === null) {
    const peers = [...new Set(host.connections().map(({ peer }) => peer))]
    return { source: 'connections', peers, answered: peers.length, failed: [] }
  }
  const { closest, answered, failed } = await ownDht.closest(peerIdToBytes(target), { signal })
  return { source: 'dht', peers: closest, answered: answered.length, failed }
}

export function noDht(tool: string) {
  const remedy = 'Turn on [dht] enabled, or ask a peer that has one'
  return ToolsError.TOOL_PART_MISSING({ tool, part: 'distributed hash table', remedy })
}

function nearest(peers: readonly PeerId[], target: PeerId): PeerId[] {
  const place = dhtKey(peerIdToBytes(target))
  return peers
    .map((peer) => {
      const key = dhtKey(peerIdToBytes(peer))
      return { peer, distance: key.map((byte, i) => byte ^ (place[i] ?? 0)) }
    })
    .sort((a, b) => compareBytes(a.distance, b.distance))
    .map(({ peer }) => peer)
}

function relayMessage({ messages }: NetworkDeps): Tool {
  return standardTool(
    'relay_message',
    {
      title: 'Relay a message',
      description:
        'Hands a text to a peer, signed by this node: directly, else through the peer named in ' +
        'via, else through the closest peers connected here. The receipt says whether it lies in ' +
        'the inbox of the receiver (delivered), was refused by it, or could not be brought there ' +
        '(unreachable). The inbox is in memory: delivered does not mean read, nor kept on disk.',
      idempotent: false,
      input: z.strictObject({
        to: peerText.describe('The peer id of the receiver'),
        body: z
          .string()
          .min(1)
          .refine((text) => byteLength(text) <= 65_536, { error: 'wanted at most 64 KiB' })
          .describe('The text, at most 64 KiB in UTF-8'),
        via: peerText.optional().describe('The peer that hands it on where there is no direct way'),
      }),
      output: z.object({
        id: z.string(),
        to: z.string(),
        outcome: z.enum(['delivered', 'refused', 'unreachable']),
        via: z.string().nullable(),
        reason: z.string().optional(),
        attempts: z.array(z.object({ via: z.string().nullable(), code: z.string() })),
      }),
    },
    async ({ to, body, via }, { signal }) => {
      const through = via === undefined ? {} : { via: peerId(via) }
      return { ...(await messages.send(peerId(to), body, { ...through, signal })) }
    },
  )
}
