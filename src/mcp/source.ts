/** Connects to the server behind a service: our own client, and a pipe for each peer's stream. */

import type { Client, Transport } from '@modelcontextprotocol/client'
import { type Clock, hasCode, type Logger } from '../base/index.ts'
import { ByteBudget } from './byte-budget.ts'
import { Child, type Exit } from './child.ts'
import { McpError } from './errors.ts'
import { httpTransport, openHttpPipe } from './http-source.ts'
import type { OpenWriter } from './long-lines.ts'
import type { Pipe } from './pipe.ts'
import { FRAME_BYTES_MAX } from './protocol.ts'
import { clientSdk } from './sdk.ts'
import type { ServiceSpec } from './tool.ts'
import { ChannelTransport } from './transport.ts'

/** After this long without an answer to the newer era's first question, the older is spoken. */
const PROBE_TIMEOUT_MS = 5_000
const CLIENT_INFO = { name: 'p2p-foundation', version: '1' }
/** A process that closed its stdout has this long to exit and say its code. */
const EXIT_WAIT_MS = 200

export interface SourceDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly longAnswers?: OpenWriter | undefined
}

export interface ConnectOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  readonly onToolsChanged: () => void
}

/** Our own connection to a service: the one that lists its tools and serves local calls. */
export interface Main {
  readonly client: Client
  /** Resolves with the reason when the server is gone. */
  readonly ended: Promise<string>
  close(): Promise<void>
}

/** Throws `MCP_SERVICE_START_FAILED` when the server does not come up. */
export async function connectMain(
  spec: ServiceSpec,
  deps: SourceDeps,
  options: ConnectOptions,
): Promise<Main> {
  if (spec.source.kind === 'http') return connectHttp(spec.name, spec.source.url, options)
  try {
    return await connectChild(spec, deps, { ...options, mode: 'auto' })
  } catch (error) {
    // Some servers of the older era exit at a question they do not know: ask them theirs.
    if (options.signal.aborted || !hasCode(error, 'MCP_SERVICE_START_FAILED')) throw error
    if ((error.facts as { exitCode: number | null }).exitCode === null) throw error
    return connectChild(spec, deps, { ...options, mode: 'legacy' })
  }
}

/** A server, or a session with it, that belongs to one stream of one peer. */
export function openPipe({ name, source }: ServiceSpec, deps: SourceDeps): Promise<Pipe> {
  return source.kind === 'http'
    ? openHttpPipe(source.url, {}, deps.longAnswers)
    : Child.start(name, source, deps)
}

type Mode = { readonly mode: 'auto' | 'legacy' }

async function connectChild(
  { name, source }: ServiceSpec,
  deps: SourceDeps,
  options: ConnectOptions & Mode,
): Promise<Main> {
  if (source.kind !== 'stdio') throw McpError.PIPE_ENDED({ wanted: 'go on' })
  const client = await makeClient(options)
  const child = await Child.start(name, source, deps)
  const budget = new ByteBudget(4 * FRAME_BYTES_MAX)
  try {
    await connect(client, new ChannelTransport(child, { budget }), options)
  } catch (cause) {
    const exit = await exitSoon(child, deps.clock)
    await child.close()
    const reason = exit?.reason ?? messageOf(cause)
    const { lastLines: stderr } = child
    const exitCode = exit?.code ?? null
    throw McpError.SERVICE_START_FAILED({ service: name, reason, exitCode, stderr }, cause)
  }
  const closed = Promise.withResolvers<string>()
  client.onclose = () => closed.resolve('its connection closed')
  return {
    client,
    ended: Promise.race([child.exited.then(({ reason }) => reason), closed.promise]),
    close: async () => {
      await child.close()
      await client.close()
    },
  }
}

async function connectHttp(name: string, url: string, options: ConnectOptions): Promise<Main> {
  const client = await makeClient({ ...options, mode: 'auto' })
  const transport = await httpTransport(url)
  try {
    await connect(client, transport, options)
  } catch (cause) {
    await transport.close()
    const reason = `${url} did not answer as an MCP server (${messageOf(cause)})`
    throw McpError.SERVICE_START_FAILED(
      { service: name, reason, exitCode: null, stderr: [] },
      cause,
    )
  }
  const closed = Promise.withResolvers<string>()
  client.onclose = () => closed.resolve('its connection closed')
  return { client, ended: closed.promise, close: () => client.close() }
}

async function makeClient({ mode, onToolsChanged }: ConnectOptions & Mode): Promise<Client> {
  const { Client } = await clientSdk()
  return new Client(CLIENT_INFO, {
    versionNegotiation: { mode, probe: { timeoutMs: PROBE_TIMEOUT_MS } },
    listChanged: { tools: { autoRefresh: false, onChanged: onToolsChanged } },
  })
}

async function connect(
  client: Client,
  transport: Transport,
  { signal, timeoutMs }: ConnectOptions,
): Promise<void> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const stop = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  try {
    await Promise.race([client.connect(transport, { timeout: timeoutMs }), aborted.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** A process that closed its stdout is mostly about to exit: its code says more. */
async function exitSoon(child: Child, clock: Clock): Promise<Exit | undefined> {
  using deadline = clock.deadline(EXIT_WAIT_MS)
  const late = new Promise<undefined>((resolve) => {
    deadline.signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  return await Promise.race([child.exited, late])
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'an unknown reason'
}
