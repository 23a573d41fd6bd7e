/** What `query_network` asks, of whom, and how the answer is put. */

import { peerId } from '../../identity/index.ts'
import type { Directory } from '../../mcp/index.ts'
import type { NodeDht } from '../injected.ts'
import type { PeerIdentities } from '../peer-identities.ts'
import { ToolsError } from '../tools-errors.ts'
import { shownBytes } from './texts.ts'

/** Those who know. */
export interface DhtPart {
  readonly dht: Pick<NodeDht, 'get' | 'findProviders'> | null
  readonly identities: Pick<PeerIdentities, 'of'> | null
  readonly directory: Pick<Directory, 'find'>
}

export interface Query {
  readonly what: 'record' | 'peer' | 'tools' | 'capability'
  readonly key?: string | undefined
  readonly service?: string | undefined
  readonly tool?: string | undefined
  readonly limit: number
}

const FAILED_MAX = 64

export async function queryDht(parts: DhtPart, query: Query, signal: AbortSignal) {
  const { what } = query
  if (what === 'tools') return tools(parts, query, signal)
  if (what === 'record') return record(parts, keyOf(query), signal)
  if (what === 'peer') return identity(parts, keyOf(query), signal)
  return capability(parts, query, signal)
}

async function tools({ directory }: DhtPart, query: Query, signal: AbortSignal) {
  const { what, service, tool, limit } = query
  const named = { ...(service && { service }), ...(tool && { tool }) }
  const { entries, asked, failed } = await directory.find(named, { signal })
  const listed = entries.slice(0, limit).map((entry) => ({ ...entry }))
  return { what, found: entries.length > 0, tools: listed, answered: asked, failed: few(failed) }
}

async function record({ dht }: DhtPart, key: string, signal: AbortSignal) {
  const { value, publisher, answered, failed } = await need(dht).get(key, { signal })
  const shown = value === null ? { value: null } : shownBytes(value)
  const said = { answered: answered.length, failed: few(failed) }
  return { what: 'record', found: value !== null, ...shown, publisher, ...said }
}

async function identity({ identities }: DhtPart, key: string, signal: AbortSignal) {
  const found = await need(identities).of(peerOf(key), { signal })
  const { identity: said, answered, failed } = found
  const peer = said && {
    peer: said.peer,
    endpoints: said.endpoints,
    capabilities: said.capabilities,
    lastSeenMs: said.lastSeenMs,
  }
  const heard = { answered: answered.length, failed: few(failed) }
  return { what: 'peer', found: said !== null, peer, ...heard }
}

async function capability({ dht }: DhtPart, query: Query, signal: AbortSignal) {
  const { what, limit } = query
  const found = await need(dht).findProviders(keyOf(query), { signal })
  const providers = found.providers
    .slice(0, limit)
    .map(({ peer, addresses }) => ({ peer, addresses: addresses.slice(0, 8) }))
  const said = { answered: found.answered.length, failed: few(found.failed) }
  return { what, found: providers.length > 0, providers, ...said }
}

function keyOf({ what, key }: Query): string {
  if (key !== undefined) return key
  const wanted = `what "${what}" is looked up by`
  throw ToolsError.TOOL_ARGUMENT({
    tool: 'query_network',
    argument: 'key',
    found: 'missing',
    wanted,
  })
}

function peerOf(key: string) {
  try {
    return peerId(key)
  } catch (cause) {
    const facts = { tool: 'query_network', argument: 'key', found: 'no peer id' }
    throw ToolsError.TOOL_ARGUMENT({ ...facts, wanted: 'one, such as 12D3KooW…' }, cause)
  }
}

function need<Part>(part: Part | null): Part {
  if (part !== null) return part
  const remedy = 'Turn on [dht] enabled, or ask a peer that has one'
  const facts = { tool: 'query_network', part: 'distributed hash table', remedy }
  throw ToolsError.TOOL_PART_MISSING(facts)
}

function few<T>(failed: readonly T[]): T[] {
  return failed.slice(0, FAILED_MAX)
}
