/**
 * A whole node on a machine of a lab: `bin/p2p start --json` as a user types it, and its API.
 *
 *   this process ── stdin, stdout ── api-peer ── loopback of the machine ── p2p start
 *
 * The node keeps its default ports, for it is alone on its machine. What it is configured with is
 * a file, as a user has one.
 */

import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type CliNode, startNode } from '../support/cli.ts'
import { AskedProcess } from './asked-process.ts'
import type { Machine } from './namespaces.ts'

const PROGRAM = fileURLToPath(new URL('api-peer.ts', import.meta.url))
const FIXTURE = fileURLToPath(new URL('../support/fixture-server.ts', import.meta.url))
const ASK_WITHIN_MS = 15_000
/** The node keeps its own time; only when it does not answer at all is it cut. */
const GRACE_MS = 2_000

export interface NodeOptions {
  /** The data folder; whoever made it removes it. */
  readonly dataDir: string
  /** The configuration file. */
  readonly toml?: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** An answer of the API and how long it took, measured beside the node. */
export interface Answered<T> {
  readonly value?: T
  readonly error?: { readonly code?: string; readonly message: string; readonly facts?: unknown }
  readonly ms: number
}

/** One connection as `p2p peers --json` shows it. */
export interface PeerConnection {
  readonly address: string
  readonly direction: string
  readonly transport: string
  readonly openedAtMs: number
  /** What kind of way it is; absent from nodes that do not tell. */
  readonly path?: string
}

interface Peer {
  readonly peer: string
  readonly connections: readonly PeerConnection[]
}

export class LabNode implements AsyncDisposable {
  readonly #node: CliNode
  readonly #api: AskedProcess

  private constructor(node: CliNode, api: AskedProcess) {
    this.#node = node
    this.#api = api
  }

  /** Resolves when the node says that it is ready. */
  static async start(machine: Machine, options: NodeOptions): Promise<LabNode> {
    const { dataDir, toml = '', args = [], env = {} } = options
    const config = join(dataDir, 'lab.toml')
    await writeFile(config, toml)
    const { wrapper } = machine
    const words = ['--config', config, ...args]
    const node = await startNode(words, { wrapper, ports: [], env, dataDir })
    return new LabNode(node, new AskedProcess(machine, [PROGRAM, dataDir]))
  }

  get peerId(): string {
    return this.#node.ready.peerId
  }

  /** Everything the node has written to standard error. */
  get log(): string {
    return this.#node.log
  }

  /** The process, for tests that stop or kill it. */
  get process(): CliNode {
    return this.#node
  }

  /** Calls a method of the control client, or `reach`; errors come as answers. */
  async ask<T>(
    method: string,
    args: readonly unknown[] = [],
    timeoutMs = ASK_WITHIN_MS,
  ): Promise<Answered<T>> {
    return (await this.#api.ask({ method, args, timeoutMs })) as Answered<T>
  }

  /** The same for what must work. */
  async must<T>(method: string, args: readonly unknown[] = [], timeoutMs?: number): Promise<T> {
    const { value, error } = await this.ask<T>(method, args, timeoutMs)
    if (error !== undefined) throw new Error(`${method}: ${error.message}\n${this.log}`)
    return value as T
  }

  /** From the dial of a peer id or multiaddr to the first application byte. */
  reach(target: string, timeoutMs = ASK_WITHIN_MS): Promise<Answered<number>> {
    return this.ask('reach', [target], timeoutMs)
  }

  /** Offers the tools of the test server `fixture-server.ts` as the service `lab`. */
  async expose(): Promise<void> {
    const command = { command: process.execPath, args: [FIXTURE], cwd: dirname(FIXTURE), env: {} }
    await this.must('expose', [{ name: 'lab', source: { kind: 'stdio', ...command } }])
  }

  /** Asks the service `lab` of a peer for so many bytes. */
  fetch(peer: string, bytes: number, timeoutMs = ASK_WITHIN_MS): Promise<Answered<unknown>> {
    const args = { mib: bytes / (1_024 * 1_024) }
    const call = { tool: 'big', args, service: 'lab', peer, timeoutMs }
    return this.ask('call', [call], timeoutMs + GRACE_MS)
  }

  /** Sends so many bytes to the service `lab` of a peer, and takes them back. */
  echo(peer: string, bytes: number, timeoutMs = ASK_WITHIN_MS): Promise<Answered<unknown>> {
    const call = {
      tool: 'echo',
      args: { text: 'x'.repeat(bytes) },
      service: 'lab',
      peer,
      timeoutMs,
    }
    return this.ask('call', [call], timeoutMs + GRACE_MS)
  }

  async connectionsTo(peer: string): Promise<readonly PeerConnection[]> {
    const peers = await this.must<readonly Peer[]>('peers')
    return peers.find((one) => one.peer === peer)?.connections ?? []
  }

  /** Waits until `found` has something, at most so long. */
  async until<T>(found: () => Promise<T | undefined>, withinMs: number): Promise<T | undefined> {
    const end = performance.now() + withinMs
    for (;;) {
      const value = await found()
      if (value !== undefined || performance.now() > end) return value
      await wait(100)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node[Symbol.asyncDispose]()
  }
}
