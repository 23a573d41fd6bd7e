/**
 * A node as a process of its own, as the agent document's `P2PNode` is: name, gRPC port and key in,
 * events out. The process gets its key in its environment, never among its arguments; nothing that
 * is printed, logged or thrown here holds it.
 */

import { join } from 'node:path'
import {
  type Clock,
  dataDirFrom,
  Emitter,
  type Random,
  secureRandom,
  systemClock,
} from '../base/index.ts'
import { ControlClient, openClient } from './client.ts'
import { type AttachOptions, attachedNode, type Launched, transportTo } from './launch-attached.ts'
import type { Command } from './launch-commands.ts'
import { LaunchError } from './launch-errors.ts'
import { type Ask, LaunchKeeper, type LaunchState } from './launch-keeper.ts'
import { commandFor, type LaunchCommand, type Spawn, systemSpawn } from './launch-process.ts'
import type { Waits } from './served-node.ts'
import type { LaunchEvent, LaunchEventOf } from './shapes/launch/api.ts'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const KEY = /^(?:0x)?[0-9a-fA-F]{64}$/
const PORT_MAX = 65_535
const RESTARTS_MAX = 10

/** How a process is run; all of it has a default. */
export interface P2PNodeOptions {
  /** The `p2p-node` to run: a script for Node, or a program; that of this package unless given. */
  readonly executable?: string
  /** Where identity and messages are kept; a folder of the agent's name unless given. */
  readonly dataDir?: string
  /** All that the process learns of this environment; give it `process.env` to pass on yours. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** In a row, before it is given up; a run of a minute ends a row. */
  readonly restartsMax?: number
  readonly clock?: Clock
  readonly random?: Random
  readonly spawn?: Spawn
  /** A node that runs already: nothing is started then, and nothing ended. */
  readonly attach?: AttachOptions
}

/** Where and over whom the process joins the network. */
export interface ConnectOptions {
  /** Any free one unless given. */
  readonly port?: number
  readonly bootstrapPeers?: readonly string[]
}

/** What becomes of the process, and all that it says. */
export interface P2PNodeEvents {
  readonly ready: LaunchEventOf<'ready'>
  readonly message: LaunchEventOf<'message'>
  readonly delivery: LaunchEventOf<'delivery'>
  readonly peer_discovered: LaunchEventOf<'peer_discovered'>
  /** A failure that is no answer to a command of ours. */
  readonly error: LaunchEventOf<'error'>
  readonly log: LaunchEventOf<'log'>
  /** The process ended by itself; `restartInMs` is null when it is given up. */
  readonly exited: { readonly how: string; readonly restartInMs: number | null }
}

export class P2PNode implements AsyncDisposable {
  static readonly #running = new Map<string, P2PNode>()
  readonly agentName: string
  readonly grpcPort: number
  readonly #privateKey: string
  readonly #options: P2PNodeOptions
  readonly #events = new Emitter<P2PNodeEvents>(throwLater)
  #keeper: Launched | undefined
  #starting: Promise<void> | undefined
  #ready: LaunchEventOf<'ready'> | undefined
  /** What is said again to a process that was started again. */
  #joined: ConnectOptions | undefined
  readonly #topics = new Set<string>()

  /** An empty key lets the process make an identity of its own; a `grpcPort` of 0 is no gRPC. */
  constructor(
    agentName: string,
    grpcPort: number,
    privateKey: string,
    options: P2PNodeOptions = {},
  ) {
    checkAgent(agentName, privateKey)
    checkPort(agentName, 'gRPC port', grpcPort)
    this.agentName = agentName
    this.grpcPort = grpcPort
    this.#privateKey = privateKey
    this.#options = options
  }

  /** The node of this name and key that this program has started, as an agent looks for it. */
  static runningAs(agentName: string, privateKey: string): P2PNode | undefined {
    const node = P2PNode.#running.get(agentName)
    return node !== undefined && node.#privateKey === privateKey ? node : undefined
  }

  get state(): LaunchState {
    return this.#keeper?.state ?? 'stopped'
  }

  /** The peer id, once the process has joined the network. */
  get peerId(): string | undefined {
    return this.#ready?.peerId
  }

  /** The Ethereum address, once the process has joined the network. */
  get address(): string | undefined {
    return this.#ready?.ethAddress ?? undefined
  }

  get pid(): number | undefined {
    return this.#keeper?.pid
  }

  get dataDir(): string {
    const { dataDir, env = {} } = this.#options
    return dataDir ?? join(dataDirFrom(undefined, env), 'agents', this.agentName)
  }

  /** Calls `listener` at every `event`; the function returned takes it away again. */
  on<Name extends keyof P2PNodeEvents>(
    event: Name,
    listener: (payload: P2PNodeEvents[Name]) => void,
  ): () => void {
    return this.#events.on(event, listener)
  }

  /** Runs the process until `stop()`. Resolves once it answers; it has joined nobody yet. */
  start({ signal }: Waits = {}): Promise<void> {
    this.#starting ??= this.#start(signal).catch((error: unknown) => {
      this.#starting = undefined
      throw error
    })
    return this.#starting
  }

  /** Joins the network; the process does so again whenever it is started again. */
  async connect(
    options: ConnectOptions = {},
    { signal }: Waits = {},
  ): Promise<LaunchEventOf<'ready'>> {
    const ready = await this.#join(options, (command) => this.command(command, { signal }))
    this.#joined = options
    return ready
  }

  /** Hands one command to the process and resolves with what it answers. */
  async command(
    command: Command,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<LaunchEvent> {
    if (this.#keeper === undefined) {
      const { agentName: agent, state } = this
      throw LaunchError.LAUNCH_NOT_RUNNING({ agent, wanted: command.type, state })
    }
    return this.#keeper.command(command, signal)
  }

  /** From now on `message` tells of what is published there. */
  async subscribe(topic: string, options: Waits = {}): Promise<void> {
    await this.command({ type: 'subscribe', topic }, options)
    this.#topics.add(topic)
  }

  /** Looks for peers with this topic; `peer_discovered` tells of each. */
  async discover(topic: string, options: Waits = {}): Promise<void> {
    await this.command({ type: 'discover', topic }, options)
  }

  /** The HTTP API of the process, where it serves one; dispose of it when you are done. */
  async client(): Promise<ControlClient> {
    const { attach } = this.#options
    if (attach !== undefined) return new ControlClient(transportTo(attach))
    return openClient(this.dataDir, `new P2PNode("${this.agentName}", …).start()`)
  }

  /** Ends the process, politely where it lets us; safe to call twice. */
  async stop(): Promise<void> {
    if (P2PNode.#running.get(this.agentName) === this) P2PNode.#running.delete(this.agentName)
    await this.#keeper?.stop()
    this.#keeper = undefined
    this.#starting = undefined
    this.#ready = undefined
    this.#joined = undefined
    this.#topics.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #start(signal: AbortSignal | undefined): Promise<void> {
    const keeper = this.#launched()
    this.#keeper = keeper
    await keeper.start(signal)
    P2PNode.#running.set(this.agentName, this)
  }

  #launched(): Launched {
    const { attach, clock = systemClock, random = secureRandom } = this.#options
    const { spawn = systemSpawn } = this.#options
    const onevent = (event: LaunchEvent) => this.#tell(event)
    if (attach !== undefined) {
      const [agent, privateKey] = [this.agentName, this.#privateKey]
      return attachedNode(attach, { agent, privateKey, onevent })
    }
    return new LaunchKeeper({
      agent: this.agentName,
      command: this.#command(),
      secret: this.#privateKey.replace(/^0x/i, ''),
      clock,
      random,
      spawn,
      restartsMax: this.#options.restartsMax ?? RESTARTS_MAX,
      onevent,
      onexit: (how, restartInMs) => this.#events.emit('exited', { how, restartInMs }),
      again: (ask) => this.#again(ask),
    })
  }

  #command(): LaunchCommand {
    const { agentName: agent, grpcPort } = this
    const { executable, env = {} } = this.#options
    const [command, ...args] = commandFor(executable) ?? []
    if (command === undefined) {
      const reason = `there is no executable ${executable ?? 'p2p-node in this package'}`
      throw LaunchError.LAUNCH_FAILED({ agent, reason, lastWords: '' })
    }
    const own = {
      P2P_DATA: this.dataDir,
      ...(this.#privateKey !== '' && { PRIVATE_KEY: this.#privateKey }),
      ...(grpcPort !== 0 && { P2P_CONTROL_GRPC_ADDRESS: `127.0.0.1:${grpcPort}` }),
    }
    return { command, args: [...args, '-n', agent], env: { ...env, ...own } }
  }

  async #join(options: ConnectOptions, ask: Ask): Promise<LaunchEventOf<'ready'>> {
    const { port = 0, bootstrapPeers = [] } = options
    checkPort(this.agentName, 'port', port)
    const where = port === 0 ? {} : { port }
    const answer = await ask({ type: 'connect', ...where, bootstrapPeers })
    if (answer.type !== 'ready') {
      const reason = `it answered "connect" with "${answer.type}"`
      throw LaunchError.LAUNCH_FAILED({ agent: this.agentName, reason, lastWords: '' })
    }
    this.#ready = answer
    return answer
  }

  async #again(ask: Ask): Promise<void> {
    if (this.#joined !== undefined) await this.#join(this.#joined, ask)
    for (const topic of this.#topics) await ask({ type: 'subscribe', topic })
  }

  #tell(event: LaunchEvent): void {
    // A result without anybody who waits for it is the answer to what was given up.
    if (event.type !== 'result') this.#events.emit(event.type, event)
  }
}

/** Throws unless the name can be a folder and the key be a key; it is never repeated. */
export function checkAgent(agent: string, privateKey: string): void {
  if (!NAME.test(agent)) {
    const wanted = '1 to 64 letters, digits, dots, dashes and underscores, the first no mark'
    const found = `${agent.length} characters`
    throw LaunchError.LAUNCH_INVALID({ agent: agent.slice(0, 64), what: 'name', found, wanted })
  }
  if (privateKey !== '' && !KEY.test(privateKey)) {
    const found = `${privateKey.length} characters`
    throw LaunchError.LAUNCH_INVALID({ agent, what: 'key', found, wanted: '64 hex digits' })
  }
}

/** Throws unless it is a port, or 0 for any. */
export function checkPort(agent: string, what: string, port: number): void {
  if (Number.isInteger(port) && port >= 0 && port <= PORT_MAX) return
  const wanted = `a whole number from 0 to ${PORT_MAX}`
  throw LaunchError.LAUNCH_INVALID({ agent, what, found: String(port), wanted })
}

/** A listener's failure is its program's own: it is thrown where all such are. */
function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
