/** The object that a user holds: one running node, and all that can be asked of it. */

import type { AgentFace } from '../agent/index.ts'
import { type Logger, type Registry, startAll, stopAll } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Tool, ToolArgs } from '../mcp/index.ts'
import type { LastingChannel } from '../net/index.ts'
import type { Message, Published, PublishOptions, SubscribeOptions } from '../pubsub/index.ts'
import { agentsFace } from './agents-face.ts'
import { type CallTarget, callAt, type Waits } from './call-peer.ts'
import { checkCall } from './check-args.ts'
import type { Parts } from './compose.ts'
import type { McpParts } from './compose-mcp.ts'
import type { DataDir } from './data-dir.ts'
import { dhtFace } from './dht-face.ts'
import { effectiveToml } from './effective-toml.ts'
import { grantsFace } from './grant-parts.ts'
import { reach } from './injected.ts'
import type { Made } from './made.ts'
import { oneTool } from './node-tool.ts'
import { type Exposed, type OfferOptions, offer, type ServerSpec } from './offer.ts'
import { OwnWords } from './own-words.ts'
import type { IdentityReport } from './peer-identities.ts'
import { type Changes, type Reconfigured, reconfigure } from './reconfigure.ts'
import type { HealthReport, NodeStatus, PeerStatus } from './shapes.ts'
import { healthOf, partOf, peersOf, statusOf } from './state.ts'
import type { Received } from './tools/inbox.ts'
import { servicesFace, toolsFace, withWellKnown } from './tools-face.ts'
import { rulesOf, type TopicLimits, type TopicSchema } from './topics.ts'
import { UseError } from './use-errors.ts'

export class Node implements AsyncDisposable {
  readonly notices: string[] = []
  readonly #made: Made
  readonly #startedAtMs: number
  #starting: Promise<void> | undefined
  #started = false
  #stopping: Promise<void> | undefined
  readonly #own: OwnWords

  constructor(made: Made) {
    this.#made = made
    this.#startedAtMs = made.clock.now()
    this.#own = new OwnWords(() => this.addresses, made.log)
    made.parts.standard?.attach(this)
    made.parts.plugIns?.events.on('notice', (notice) => this.notices.push(notice))
  }

  get peerId(): PeerId {
    return this.#made.parts.host.self
  }

  /** Null where the node speaks for no address. */
  get ethAddress(): string | null {
    return this.#made.parts.agent?.eth.address ?? null
  }

  /** Messages to and from other agents; null where the node speaks for no address. */
  get agent(): AgentFace | null {
    return this.#made.parts.agent?.messages ?? null
  }

  get addresses(): readonly string[] {
    return this.#made.parts.host.addresses()
  }

  get dataDir(): DataDir {
    return this.#made.dataDir
  }

  get registry(): Registry {
    return this.#made.registry
  }

  get log(): Logger {
    return this.#made.log
  }

  /** What happens to this node, as its rooms tell it. */
  get events() {
    const { host, mcp, staying, standard, agent } = this.#made.parts
    const kept = { wanted: staying.wanted.events, network: staying.watch?.events ?? null }
    const told = { tools: standard?.events ?? null, agents: agent?.announcer.events ?? null }
    return { net: host.events, mcp: mcp?.services.events ?? null, ...told, ...kept }
  }

  /** Tool calls that this node has made, for itself or for an assistant. */
  get calls(): number {
    return this.#made.parts.mcp?.router.calls ?? 0
  }

  /** Requests of peers that this node has answered. */
  get served(): number {
    return this.#made.parts.mcp?.served() ?? 0
  }

  /** Done by whoever made the node; once more is the same start. */
  async start(): Promise<void> {
    if (this.#stopping !== undefined) throw UseError.STOPPED({ wanted: 'start' })
    this.#starting ??= this.#start()
    await this.#starting
  }

  async #start(): Promise<void> {
    const { host, services } = this.#made.parts
    host.events.on('portMoved', ({ wanted, taken, kind }) => {
      this.notices.push(`${kind} port ${wanted} is in use, so ${taken} was taken`)
    })
    await startAll(services)
    host.events.on('addresses', () => void this.#own.find())
    await this.#own.find()
    this.#started = true
    this.log.info('node started', { peer: this.peerId, addresses: this.addresses })
  }

  /** Stops every room, last started first, and gives the data folder back; safe to call twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  status(): NodeStatus {
    const uptimeMs = this.#made.clock.now() - this.#startedAtMs
    const own = { ethAddress: this.ethAddress, words: this.#own.words, uptimeMs }
    return statusOf(this.#made, { ...own, health: this.health() })
  }

  health(): HealthReport {
    const { parts, config } = this.#made
    return healthOf(parts, config, this.#started && this.#stopping === undefined)
  }

  /** Applies what is safe while running; what is not is named and waits for a restart. */
  reconfigure(changes: Changes): Reconfigured {
    const { config, parts, log } = this.#made
    const done = reconfigure(config, changes, { policy: parts.policy, log })
    log.info('configuration changed', { ...done })
    return done
  }

  readonly configToml = (): string => effectiveToml(this.#made.config)
  readonly peers = async (): Promise<readonly PeerStatus[]> => peersOf(this.#made.parts.host)

  /** Dials a peer id, a multiaddr or an address in words, and says who answered. */
  async connect(target: string, options: Waits = {}): Promise<PeerId> {
    return reach(target, this.#running('connect to a peer'), options)
  }

  /** Closes what is open to a peer. Whoever needs the peer, the DHT of either, may dial again. */
  async disconnect(peer: PeerId): Promise<void> {
    await this.#running('disconnect from a peer').host.disconnect(peer)
  }

  async ping(peer: PeerId, options: Waits = {}): Promise<number> {
    return this.#running('ping a peer').host.ping(peer, options)
  }

  /**
   * Frames to and from the program that serves `protocol` at a peer. They survive a change of
   * connection: what was confirmed arrived once; what cannot be is told, with how much it is.
   */
  async channel(peer: string, protocol: string, options: Waits = {}): Promise<LastingChannel> {
    const { channels } = this.#running('open a channel').staying
    return channels.open(peerId(peer), protocol, options)
  }

  /** Serves a protocol to the channels of peers; the result withdraws it, those open go on. */
  onChannel(protocol: string, serve: (channel: LastingChannel) => Promise<void>): () => void {
    return this.#running('serve a channel').staying.channels.serve(protocol, serve)
  }

  /** Stays connected to a peer id or multiaddr until the result is called. */
  keep(target: string): () => void {
    return this.#running('keep a peer').staying.wanted.keep(target)
  }

  /** Who a peer says it is, signed by it; null in the report when nobody has it. */
  async identityOf(peer: string, options: Waits = {}): Promise<IdentityReport> {
    const { identities } = this.#running('read the identity of a peer')
    return partOf('dht', identities).of(peerId(peer), options)
  }

  /**
   * Offers tools to every peer under the name of a service, until they are withdrawn or the node
   * stops: functions of this program as `tool()` makes them, or somebody else's MCP server.
   */
  async expose(
    name: string,
    what: readonly Tool[] | ServerSpec,
    options: OfferOptions = {},
  ): Promise<Exposed> {
    return offer(this.#mcp('expose tools').services, name, { what, ...options })
  }

  /** One tool, by its schema: `node.tool('add', z.object({ a: z.number() }), ({ a }) => a + 1)`. */
  readonly tool = oneTool((name, tools, options) => this.expose(name, tools, options))

  /** As `expose`, under the name that it has in the product's documents. */
  registerMcpService(name: string, tools: readonly Tool[] | ServerSpec): Promise<Exposed> {
    return this.expose(name, tools)
  }

  /** Calls a tool of one certain peer, whichever of its services has it. */
  async callPeer(
    peer: string,
    tool: string,
    args: ToolArgs = {},
    options: Omit<CallTarget, 'peer'> = {},
  ) {
    const deps = { ...this.#mcp('call a tool'), clock: this.#made.clock }
    checkCall(args, options)
    const call = { peer: peerId(peer), tool, args }
    const target = withWellKnown(tool, { ...options, peer: call.peer })
    return callAt(call, { ...deps, config: this.#made.config.mcp }, target)
  }

  /** Hands over what peers sent with `relay_message`, kept or to come, until it is called off. */
  onMessage(read: (message: Received) => void): () => void {
    return partOf('mcp', this.#running('read messages').standard).messages.read(read)
  }

  /**
   * Says what a topic carries: what does not fit is refused on its way in and on its way out. Say
   * it before you subscribe: what came in earlier was not held to it.
   */
  topic<Value>(name: string, schema: TopicSchema<Value>, limits: TopicLimits = {}): void {
    this.#pubsub('define a topic').topic(name, rulesOf(name, schema, limits))
  }

  /** Tells all others who subscribe, not this node, and says to how many peers it was handed. */
  async publish(topic: string, value: unknown, options: PublishOptions = {}): Promise<Published> {
    const pubsub = this.#pubsub('publish')
    this.#running('publish').topicPeers?.publishes(topic)
    return pubsub.publish(topic, value, options)
  }

  /** What others publish from now on; leaving the loop, or disposing of it, unsubscribes. */
  subscribe<Value = unknown>(
    topic: string,
    options: SubscribeOptions = {},
  ): AsyncIterable<Message<Value>> & AsyncDisposable {
    return this.#pubsub('subscribe').subscribe<Value>(topic, options)
  }

  /** What connections and streams use, and how much they may. */
  readonly resources = () => this.#made.parts.host.resources.report()

  readonly tools = toolsFace((wanted) => this.#mcp(wanted))
  readonly grants = grantsFace((wanted) => this.#mcp(wanted))

  readonly services = servicesFace(
    () => this.#made.parts.mcp?.services.list() ?? [],
    (wanted) => this.#mcp(wanted),
  )

  readonly dht = dhtFace((wanted) => this.#running(wanted))
  readonly agents = agentsFace((wanted) => this.#running(wanted))

  get catalog() {
    return this.#mcp('list tools').catalog
  }

  async #stop(): Promise<void> {
    try {
      await stopAll(this.#made.parts.services)
    } finally {
      await this.#made.dataDir.close()
      this.log.info('node stopped', { peer: this.peerId })
    }
  }

  #running(wanted: string): Parts {
    if (this.#stopping !== undefined) throw UseError.STOPPED({ wanted })
    return this.#made.parts
  }

  #mcp(wanted: string): McpParts {
    return partOf('mcp', this.#running(wanted).mcp)
  }

  #pubsub(wanted: string): NonNullable<Parts['pubsub']> {
    return partOf('pubsub', this.#running(wanted).pubsub)
  }
}
