/** One client session with one service of one peer, over a stream of its own. */

import { Client } from '@modelcontextprotocol/client'
import type { Clock, Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import type { ByteBudget } from './byte-budget.ts'
import { McpError } from './errors.ts'
import { mcpProtocol, SERVICE_META } from './protocol.ts'
import { cleanRefusal } from './tool-call.ts'
import { ChannelTransport } from './transport.ts'

/** After this long without an answer to the newer era's first question, the older is spoken. */
const PROBE_TIMEOUT_MS = 5_000
const CLIENT_INFO = { name: 'p2p-foundation', version: '1' }

export interface PeerSessionDeps {
  readonly host: Pick<Host, 'open'>
  readonly clock: Clock
  readonly log: Logger
  readonly network: string
  /** Shared by all sessions: what they may hold back for peers that do not read. */
  readonly budget: ByteBudget
}

export interface PeerSession {
  readonly client: Client
  /** Resolves when the stream is gone. */
  readonly closed: Promise<void>
  /** Grows with every message of the peer. */
  framesRead(): number
  end(): void
  /** Drops the stream: what waits for an answer on it fails with this reason. */
  drop(reason: Error): void
  /** Why it was dropped. */
  readonly lost: Error | undefined
}

/** Opens a stream, selects the service and agrees on a protocol era. */
export async function openSession(
  { peer, service }: { readonly peer: PeerId; readonly service: string },
  { host, log, network, budget }: PeerSessionDeps,
  signal: AbortSignal,
): Promise<PeerSession> {
  const channel = await host.open(peer, mcpProtocol(network), { signal })
  const transport = new ChannelTransport(channel, {
    budget,
    firstMeta: { [SERVICE_META]: service },
  })
  const client = new Client(CLIENT_INFO, {
    versionNegotiation: { mode: 'auto', probe: { timeoutMs: PROBE_TIMEOUT_MS } },
  })
  client.onerror = (error) => log.debug('session with a peer', { peer, service, error })
  const end = () => void transport.close()
  const closed = Promise.withResolvers<void>()
  const drop = () => channel.abort(McpError.PIPE_ENDED({ wanted: 'go on' }))
  signal.addEventListener('abort', drop, { once: true })
  try {
    await client.connect(transport, { signal })
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
    closed: closed.promise,
    framesRead: () => transport.framesRead,
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
