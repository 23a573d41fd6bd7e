/**
 * Talks to a running node over its API; the command line does everything through it.
 *
 * Requests are made from the table of operations, answers are checked against it, and errors come
 * back as the coded errors that they were on the other side.
 */

import type { PeerId } from '../identity/index.ts'
import type {
  CallResult,
  ServiceSpec,
  ServiceStatus,
  ToolArgs,
  ToolEntry,
  ToolInfo,
  ToolResult,
} from '../mcp/index.ts'
import type {
  Changes,
  ClaimReport,
  GetReport,
  HealthReport,
  NameReport,
  PeerStatus,
  PutReport,
  Reconfigured,
} from '../node/index.ts'
import type { Answer, OperationName, Sent } from './api.ts'
import type { LeaseEvent } from './lease.ts'
import { findLocalNode } from './local-node.ts'
import type { ServedStatus, Waits } from './served-node.ts'
import { type StreamEvent, streamEvent } from './shapes/api.ts'
import { type OutputHead, outputHead } from './shapes/tools/api.ts'
import { HttpTransport, type TransportOptions } from './transport.ts'

/** Three heartbeats of the node: after this long without a word it is taken to be gone. */
const EVENTS_SILENCE_MS = 45_000

/** How a value was written down: base64 where it is not UTF-8 text. */
export type ReadReport = GetReport & { readonly encoding: 'text' | 'base64' }

/** An `IdentityReport` as it crosses the API: the key as hex, the IPv6 sockets apart. */
export type ShownIdentity = Answer<'identity'>

/** Where a call goes and how long it may take at the node. */
export interface RemoteCall {
  readonly tool: string
  readonly args?: ToolArgs
  readonly service?: string
  readonly peer?: string
  readonly timeoutMs?: number
  readonly key?: string
  readonly hedge?: number | true
  readonly explain?: boolean
  readonly grants?: readonly string[]
  /** Of the blinded service to call. */
  readonly invitation?: string
}

/** One node, asked over its API; dispose of it to let go of its connections. */
export class ControlClient implements AsyncDisposable {
  readonly #transport: HttpTransport

  constructor(options: TransportOptions) {
    this.#transport = new HttpTransport(options)
  }

  status(options: Waits = {}): Promise<ServedStatus> {
    return this.#ask('status', {}, options) as Promise<ServedStatus>
  }

  health(options: Waits = {}): Promise<HealthReport> {
    return this.#ask('health', {}, options)
  }

  /** The effective configuration, as TOML. */
  async config(options: Waits = {}): Promise<string> {
    return (await this.#ask('config', {}, options)).toml
  }

  /** Changes keys of the running node; its file stays as it is. */
  reconfigure(changes: Changes, options: Waits = {}): Promise<Reconfigured> {
    return this.#ask('reconfigure', { changes }, options)
  }

  /** What happens to the node, from now on; abort the signal or leave the loop to end it. */
  async *events(options: Waits = {}): AsyncGenerator<StreamEvent> {
    const waits = { ...options, silenceMs: EVENTS_SILENCE_MS }
    for await (const line of this.#transport.lines('events', {}, waits)) {
      if (!line.startsWith('data: ')) continue
      const event = streamEvent.safeParse(JSON.parse(line.slice('data: '.length)))
      // A newer node may tell of more than we know.
      if (event.success) yield event.data
    }
  }

  peers(options: Waits = {}): Promise<readonly PeerStatus[]> {
    return this.#ask('peers', {}, options) as Promise<readonly PeerStatus[]>
  }

  /** Connects to a peer id, a multiaddr or words; resolves with who answered. */
  async connect(target: string, options: Waits = {}): Promise<PeerId> {
    return (await this.#ask('connect', { target }, options)).peer as PeerId
  }

  async disconnect(peer: string, options: Waits = {}): Promise<void> {
    await this.#ask('disconnect', { peer }, options)
  }

  /** Round trip between the node and `peer`, in milliseconds. */
  async ping(peer: string, options: Waits = {}): Promise<number> {
    return (await this.#ask('ping', { peer }, options)).ms
  }

  /** Who a peer says it is: what it signed, with who was asked for it. */
  identity(peer: string, options: Waits = {}): Promise<ShownIdentity> {
    return this.#ask('identity', { peer }, options)
  }

  /** The routing table of the node's DHT. */
  debugDht(options: Waits = {}): Promise<Answer<'debugDht'>> {
    return this.#ask('debugDht', {}, options)
  }

  tools(query: Sent<'tools'> = {}, options: Waits = {}): Promise<readonly ToolEntry[]> {
    return this.#ask('tools', query, options) as Promise<readonly ToolEntry[]>
  }

  call(request: RemoteCall, options: Waits = {}): Promise<CallResult> {
    return this.#ask('call', request, options) as Promise<CallResult>
  }

  /** The same, for a result that is not to be held: what it is, and its bytes as they come. */
  async callOutput(
    request: RemoteCall,
    options: Waits = {},
  ): Promise<{ readonly head: OutputHead; readonly parts: AsyncIterable<Uint8Array> }> {
    const { line, parts } = await this.#transport.download('callOutput', request, options)
    return { head: outputHead.parse(line), parts }
  }

  catalogList(options: Waits = {}): Promise<readonly ToolInfo[]> {
    return this.#ask('catalogList', {}, options) as Promise<readonly ToolInfo[]>
  }

  /** Calls a tool by the unique name that `catalogList` gave it. */
  catalogCall(name: string, args: ToolArgs, options: Waits = {}): Promise<ToolResult> {
    return this.#ask('catalogCall', { name, args }, options) as Promise<ToolResult>
  }

  /** A part of a result above one frame, by the address that its call answered with. */
  catalogRead(uri: string, options: Waits = {}): Promise<Answer<'catalogRead'>> {
    return this.#ask('catalogRead', { uri }, options)
  }

  /** Tools that assistants are not shown, and why. */
  catalogWithheld(options: Waits = {}): Promise<Answer<'catalogWithheld'>> {
    return this.#ask('catalogWithheld', {}, options)
  }

  /** With the hash of what was read, another definition is refused. */
  catalogApprove(
    name: string,
    { hash, ...options }: Waits & { readonly hash?: string | undefined } = {},
  ): Promise<Answer<'catalogApprove'>> {
    const given = hash === undefined ? { name } : { name, hash }
    return this.#ask('catalogApprove', given, options)
  }

  catalogPin(name: string, pinned: boolean, options: Waits = {}): Promise<Answer<'catalogPin'>> {
    return this.#ask('catalogPin', { name, pinned }, options)
  }

  services(options: Waits = {}): Promise<readonly ServiceStatus[]> {
    return this.#ask('services', {}, options) as Promise<readonly ServiceStatus[]>
  }

  /** Hands a service to the node, which keeps it across restarts until it is withdrawn. */
  expose(spec: ServiceSpec, options: Waits = {}): Promise<ServiceStatus> {
    return this.#ask('expose', spec, options) as Promise<ServiceStatus>
  }

  /** Offers a service for as long as these events are read; abort the signal to withdraw it. */
  async *exposeAttached(spec: ServiceSpec, options: Waits = {}): AsyncGenerator<LeaseEvent> {
    for await (const line of this.#transport.lines('exposeAttached', spec, options)) {
      yield JSON.parse(line) as LeaseEvent
    }
  }

  /** What somebody needs to find a blinded service of the node. */
  async invitation(name: string, options: Waits = {}): Promise<string> {
    return (await this.#ask('invitation', { name }, options)).invitation
  }

  async unexpose(name: string, options: Waits = {}): Promise<void> {
    await this.#ask('unexpose', { name }, options)
  }

  /** Lets a peer call tools of a service; the answer has the token to give to it. */
  grant(options: Sent<'grant'>, waits: Waits = {}): Promise<Answer<'grant'>> {
    return this.#ask('grant', options, waits)
  }

  grants(options: Waits = {}): Promise<Answer<'grants'>> {
    return this.#ask('grants', {}, options)
  }

  /** Keeps a token of another node. */
  grantAccept(token: string, options: Waits = {}): Promise<Answer<'grantAccept'>> {
    return this.#ask('grantAccept', { token }, options)
  }

  /** Hands on less of a token; resolves with the new one. */
  async grantDelegate(options: Sent<'grantDelegate'>, waits: Waits = {}): Promise<string> {
    return (await this.#ask('grantDelegate', options, waits)).token
  }

  async grantRevoke(id: string, options: Waits = {}): Promise<void> {
    await this.#ask('grantRevoke', { id }, options)
  }

  /** The last calls of peers, the newest first. */
  audit(limit: number, options: Waits = {}): Promise<Answer<'audit'>> {
    return this.#ask('audit', { limit }, options)
  }

  dhtPut(
    key: string,
    value: string,
    options: Waits & { readonly encoding?: 'text' | 'base64' } = {},
  ): Promise<PutReport> {
    const { encoding = 'text' } = options
    return this.#ask('dhtPut', { key, value, encoding }, options) as Promise<PutReport>
  }

  dhtGet(
    key: string,
    options: Waits & { readonly encoding?: 'text' | 'base64' } = {},
  ): Promise<ReadReport> {
    const { encoding = 'text' } = options
    return this.#ask('dhtGet', { key, encoding }, options) as Promise<ReadReport>
  }

  /** The agents that are here, by their own word. */
  agents(options: Waits = {}): Promise<Answer<'agents'>> {
    return this.#ask('agents', {}, options)
  }

  /** Which peer speaks for an Ethereum address. */
  agentFind(address: string, options: Waits = {}): Promise<Answer<'agentFind'>> {
    return this.#ask('agentFind', { address }, options)
  }

  /** Sends any JSON to an Ethereum address, a peer id, or `*`; says how far it came so far. */
  messageSend(sent: Sent<'messageSend'>, options: Waits = {}): Promise<Answer<'messageSend'>> {
    return this.#ask('messageSend', sent, options)
  }

  messages(query: Sent<'messages'> = {}, options: Waits = {}): Promise<Answer<'messages'>> {
    return this.#ask('messages', query, options)
  }

  /** Waits for the next message; `null` where none came in time. */
  messageNext(sent: Sent<'messageNext'> = {}, waits: Waits = {}): Promise<Answer<'messageNext'>> {
    return this.#ask('messageNext', sent, waits)
  }

  /** Claims a name for the node, as others may as well. */
  nameClaim(name: string, options: Waits = {}): Promise<ClaimReport> {
    return this.#ask('nameClaim', { name }, options) as Promise<ClaimReport>
  }

  /** Who claims a name; which of them is meant, only a peer id says. */
  nameFind(name: string, options: Waits = {}): Promise<NameReport> {
    return this.#ask('nameFind', { name }, options) as Promise<NameReport>
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#transport.close()
  }

  #ask<Name extends OperationName>(
    name: Name,
    sent: Sent<Name>,
    options: Waits,
  ): Promise<Answer<Name>> {
    return this.#transport.ask(name, sent, options)
  }
}

/**
 * A client for the node that runs on `dataDir`; it is not known yet whether it answers. `start` is
 * the command that an error names when it does not.
 */
export async function openClient(
  dataDir: string,
  start = `p2p start --data ${dataDir}`,
): Promise<ControlClient> {
  return new ControlClient(await findLocalNode(dataDir, start))
}
