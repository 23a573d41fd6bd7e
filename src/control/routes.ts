/** What each operation does: checked input in, an answer out. HTTP itself is not known here. */

import { type Clock, fromUtf8, type Registry, toHex, utf8 } from '../base/index.ts'
import { peerId } from '../identity/index.ts'
import type { ToolArgs } from '../mcp/index.ts'
import { ipv6EndpointsOf, type PeerIdentity } from '../node/index.ts'
import { activityOf } from './activity.ts'
import { agentRoutes } from './agent-routes.ts'
import type { Answer, Given, OperationName } from './api.ts'
import { catalogRoutes } from './catalog-routes.ts'
import { ControlError } from './errors.ts'
import { grantRoutes } from './grant-routes.ts'
import { messageRoutes } from './message-routes.ts'
import type { FoundRecord, ServedNode } from './served-node.ts'
import { wantedIn } from './tools-query.ts'

/** Operations whose answer is more than a JSON document; `http.ts` mounts these by hand. */
export const SPECIAL = [
  'health',
  'ready',
  'prove',
  'metrics',
  'openapi',
  'events',
  'exposeAttached',
  'callOutput',
] as const
type SpecialName = (typeof SPECIAL)[number]
export type PlainName = Exclude<OperationName, SpecialName>

/** One function for each operation; `signal` aborts when the caller is gone. */
export type Routes = {
  readonly [Name in PlainName]: (given: Given<Name>, signal: AbortSignal) => Promise<Answer<Name>>
}

export interface RoutesDeps {
  readonly node: ServedNode
  readonly registry: Pick<Registry, 'total'>
  readonly clock: Clock
}

/** `waitMs` is how long an operation may take when its caller names no time-out. */
export function createRoutes({ node, registry, clock }: RoutesDeps, waitMs: number): Routes {
  const within = async <T>(
    limits: { timeoutMs?: number; signal: AbortSignal },
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    using deadline = clock.deadline(limits.timeoutMs ?? waitMs, limits.signal)
    return await settledBy(deadline.signal, work(deadline.signal))
  }

  return {
    ...infoRoutes(node, registry),
    ...serviceRoutes(node),
    ...agencyRoutes(node, within, clock),
    ...catalogRoutes(node),
    ...grantRoutes(node),
    async connect({ target, timeoutMs }, signal) {
      const limits = { ...(timeoutMs !== undefined && { timeoutMs }), signal }
      return { peer: await within(limits, (ended) => node.connect(target, { signal: ended })) }
    },
    disconnect: ({ peer }) => disconnect(node, peer),
    async identity({ peer }, signal) {
      const id = peerId(peer)
      const found = await within({ signal }, (ended) => node.identityOf(id, { signal: ended }))
      return { ...found, identity: found.identity && shownIdentity(found.identity) }
    },
    async ping({ peer, ...limits }, signal) {
      const id = peerId(peer)
      const ms = await within({ ...limits, signal }, (ended) => node.ping(id, { signal: ended }))
      return { peer, ms }
    },
    tools: (query, signal) => {
      return within({ signal }, (ended) => node.tools.find(wantedIn(query), { signal: ended }))
    },
    call({ tool, args, peer, ...limits }, signal) {
      const target = { ...limits, ...(peer !== undefined && { peer: peerId(peer) }) }
      const { timeoutMs } = limits
      // The node ends the call itself and says what it tried; we only see to it that it does.
      const longer = timeoutMs === undefined ? {} : { timeoutMs: timeoutMs + VERDICT_MS }
      return within({ ...longer, signal }, (ended) => {
        return node.tools.call(tool, args as ToolArgs, { ...target, signal: ended })
      })
    },
    catalogList: (_, signal) => {
      return within({ signal }, (ended) => node.catalog.list({ signal: ended }))
    },
    catalogCall: ({ name, args, ...limits }, signal) => {
      return within({ ...limits, signal }, (ended) => {
        return node.catalog.call(name, args as ToolArgs, { signal: ended })
      })
    },
    dhtPut({ key, value, encoding, ...limits }, signal) {
      const bytes = encoding === 'base64' ? fromBase64(value) : utf8(value)
      return within({ ...limits, signal }, (ended) => node.dht.put(key, bytes, { signal: ended }))
    },
    async dhtGet({ key, encoding }, signal) {
      const found = await within({ signal }, (ended) => node.dht.get(key, { signal: ended }))
      return { ...found, ...written(found, encoding) }
    },
  }
}

function shownIdentity(identity: PeerIdentity): NonNullable<Answer<'identity'>['identity']> {
  const { publicKey, endpoints, capabilities, lastSeenMs } = identity
  const ipv6Endpoints = ipv6EndpointsOf(identity)
  return { publicKey: toHex(publicKey), ipv6Endpoints, endpoints, capabilities, lastSeenMs }
}

async function disconnect(node: ServedNode, peer: string): Promise<Answer<'disconnect'>> {
  const id = peerId(peer)
  const connected = await node.peers()
  if (!connected.some((each) => each.peer === id)) throw ControlError.PEER_NOT_FOUND({ peer })
  await node.disconnect(id)
  return { done: true }
}

/** How long a node may take to say what became of a call whose time is over. */
const VERDICT_MS = 1_000

type InfoName = 'status' | 'config' | 'reconfigure' | 'peers' | 'debugPeers' | 'debugDht'

function infoRoutes(node: ServedNode, registry: RoutesDeps['registry']): Pick<Routes, InfoName> {
  return {
    status: async () => ({ ...node.status(), activity: await activityOf(node, registry) }),
    config: async () => ({ toml: node.configToml() }),
    reconfigure: async ({ changes }) => node.reconfigure(changes),
    peers: () => node.peers(),
    debugPeers: async () => ({ peers: await node.peers(), resources: node.resources() }),
    debugDht: async () => ({ peer: node.status().peerId, buckets: node.dht.buckets() }),
  }
}

type Within = <T>(
  limits: { readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
) => Promise<T>

/** Who goes by a name or an address, and what is said to them. */
function agencyRoutes(node: ServedNode, within: Within, clock: Clock) {
  const messages = messageRoutes(node, within, clock)
  return { ...nameRoutes(node, within), ...agentRoutes(node, within), ...messages }
}

function nameRoutes({ dht }: ServedNode, within: Within): Pick<Routes, 'nameClaim' | 'nameFind'> {
  return {
    nameClaim: ({ name }, signal) => {
      return within({ signal }, (ended) => dht.claimName(name, { signal: ended }))
    },
    nameFind: ({ name }, signal) => {
      return within({ signal }, (ended) => dht.findName(name, { signal: ended }))
    },
  }
}

type ServiceName = 'services' | 'expose' | 'unexpose' | 'invitation'

function serviceRoutes(node: ServedNode): Pick<Routes, ServiceName> {
  return {
    services: async () => node.services.list(),
    // Its own start has a deadline. With ours before it, a service could come up after its caller
    // was told that it had not.
    expose: (spec, signal) => node.services.expose(spec, { detached: true, signal }),
    invitation: async ({ name }) => ({ invitation: await node.services.invitation(name) }),
    async unexpose({ name }) {
      await node.services.unexpose(name)
      return { done: true }
    },
  }
}

/** Work that does not listen to its signal must not hold the caller beyond the deadline. */
async function settledBy<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const stop = () => reject(signal.reason as Error)
  work.catch(() => undefined)
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function written(
  { value }: FoundRecord,
  wanted: 'text' | 'base64',
): Pick<Answer<'dhtGet'>, 'value' | 'encoding'> {
  if (value === null) return { value, encoding: wanted }
  if (wanted === 'text') {
    try {
      return { value: fromUtf8(value), encoding: 'text' }
    } catch {
      // Bytes that are no text can only be written down as base64; the answer says so.
    }
  }
  return { value: Buffer.from(value).toString('base64'), encoding: 'base64' }
}

function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') === text) return bytes
  throw ControlError.REQUEST_INVALID({ part: 'body', problems: ['value: wanted padded base64'] })
}
