/** One client session with one service of one peer, over a stream of its own. */

import type { Client } from '@modelcontextprotocol/client'
import type { Clock, Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import type { JsonObject } from '../wire/index.ts'
import type { ByteBudget } from './byte-budget.ts'
import { McpError } from './errors.ts'
import { PeerCalls } from './peer-calls.ts'
import { mcpProtocol, SERVICE_META } from './protocol.ts'
import type { ResultReader } from './result-reader.ts'
import { clientSdk } from './sdk.ts'
import type { ToolResult } from './tool.ts'
import { callTool, cleanRefusal, type ToolCall, type ToolCallOptions } from './tool-call.ts'
import { ChannelTransport } from './transport.ts'

/** After this long without an answer to the newer era's first question, the older is spoken. */
const PROBE_TIMEOUT_MS = 5_000
const CLIENT_INFO = { name: 'p2p-foundation', version: '1' }

export interface PeerSessionDeps {
  readonly host: Pick<Host, 'open'>
  readonly clock: Clock
  readonly log: Logger
  readonly network: string
  /** Reads results that a peer keeps because they are above one frame. */
  readonly whole?: ResultReader['whole']
  /** Shared by all sessions: what they may hold back for peers that do not read. */
  readonly budget: ByteBudget
}

export interface PeerSession {
  readonly client: Client
  callTool(call: ToolCall, options: ToolCallOptions): Promise<ToolResult>
  /** Resolves when the stream is gone. */
  readonly closed: Promise<void>
  /** Grows with every message of the peer. */
  framesRead(): number
  /** Grows with everything that arrives, also with parts of a long frame. */
  heard(): number
  end(): void
  /** Drops the stream: what waits for an answer on it fails with this reason. */
  drop(reason: Error): void
  /** Why it was dropped. */
  readonly lost: Error | undefined
}

/** Whose service, and what gives the right to it (`exposure-meta.ts`). */
export interface PeerService {
  readonly peer: PeerId
  readonly service: string
  readonly rights?: JsonObject
}

/** Opens a stream, selects the service and agrees on a protocol era. */
export async function openSession(
  { peer, service, rights = {} }: PeerService,
  { host, log, network, budget }: PeerSessionDeps,
  signal: AbortSignal,
): Promise<PeerSession> {
  const sdk = await clientSdk()
  const channel = await host.open(peer, mcpProtocol(network), { signal })
  const transport = new ChannelTransport(channel, {
    budget: budget.of(peer),
    firstMeta: { [SERVICE_META]: service, ...rights },
  })
  const calls = new PeerCalls(transport)
  const client = new sdk.Client(CLIENT_INFO, {
    versionNegotiation: { mode: 'auto', probe: { timeoutMs: PROBE_TIMEOUT_MS } },
  })
  client.onerror = (error) => log.debug('session with a peer', { peer, service, error })
  const end = () => void transport.close()
  const closed = Promise.withResolvers<void>()
  const drop = () => channel.abort(McpError.PIPE_ENDED({ wanted: 'go on' }))
  signal.addEventListener('abort', drop, { once: true })
  try {
    await client.connect(calls, { signal })
    signal.throwIfAborted()
  } catch (cause) {
    channel.abort(McpError.PIPE_ENDED({ wanted: 'go on' }))
    signal.throwIfAborted()
    const { refusal } = transport
    if (refusal === undefined) throw cause
    const { code, message } = cleanRefusal(refusal)
    throw McpError.PEER_REFUSED({ peer, tool: service, code, message }, cause)
  } finally {
    signal.removeEventListener('abort', drop)
  }
  client.onclose = () => closed.resolve()
  let lost: Error | undefined
  return {
    client,
    callTool: (call, options) => callOver(calls, client, call, options),
    closed: closed.promise,
    framesRead: () => transport.framesRead,
    heard: () => transport.heard,
    end,
    drop: (reason) => {
      lost ??= reason
      channel.abort(reason)
    },
    get lost() {
      return lost
    },
  }
}

/** At once where that is possible; by the client what only it can send or read. */
async function callOver(
  calls: PeerCalls,
  client: Client,
  call: ToolCall,
  options: ToolCallOptions,
): Promise<ToolResult> {
  // A copy, so that two calls with the same arguments are told apart by them.
  const own = { ...call, args: { ...call.args } }
  const direct = options.onprogress === undefined ? calls.callTool(own, options.signal) : undefined
  const result = await direct
  return result === undefined || 'unread' in result ? callTool(client, own, options) : result
}
