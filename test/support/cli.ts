/** The command line as a person uses it: `bin/p2p` as a process, one data folder for each node. */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const REPOSITORY = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const P2P = join(REPOSITORY, 'bin', 'p2p')

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  /** Words in front of the command: `ip netns exec x`, `setpriv …`. */
  readonly wrapper?: readonly string[]
  readonly stdin?: string
}

/** Runs `p2p` with these words to its end. */
export async function p2p(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = start(args, options)
  child.stdin?.end(options.stdin ?? '')
  return finished(child, options.timeoutMs ?? 60_000)
}

/** The error object that a command with `--json` writes as its last line on standard error. */
export interface PrintedError {
  readonly code: string
  readonly message: string
  readonly facts: Readonly<Record<string, unknown>>
  readonly retryable: boolean
}

export function errorOf({ stderr }: Finished): PrintedError {
  const line = stderr.trim().split('\n').at(-1) ?? ''
  return (JSON.parse(line) as { error: PrintedError }).error
}

/** What `ready` tells, as `p2p start --json` prints it. */
export interface Ready {
  readonly event: 'ready'
  readonly peerId: string
  readonly listen: readonly string[]
  readonly api: string
  readonly mcp: string
  readonly tokenFile: string
  readonly version: string
}

/** A running node and its data folder; disposing of it stops the one and removes the other. */
export class CliNode implements AsyncDisposable {
  readonly child: ChildProcess
  readonly ready: Ready
  readonly dataDir: string
  readonly #options: RunOptions
  readonly #log: () => string

  constructor(parts: {
    child: ChildProcess
    ready: Ready
    dataDir: string
    options: RunOptions
    log: () => string
  }) {
    this.child = parts.child
    this.ready = parts.ready
    this.dataDir = parts.dataDir
    this.#options = parts.options
    this.#log = parts.log
  }

  /** Everything the node has written to standard error. */
  get log(): string {
    return this.#log()
  }

  /** An address on the loopback interface that others can be given as bootstrap. */
  address(kind: 'tcp' | 'udp' = 'tcp'): string {
    const found = this.ready.listen.find((text) => text.startsWith(`/ip4/127.0.0.1/${kind}/`))
    assert.ok(found !== undefined, `a loopback ${kind} address in ${this.ready.listen.join(' ')}`)
    return found
  }

  /** Runs a command against this node. */
  p2p(...args: string[]): Promise<Finished> {
    const end = args.includes('--') ? args.indexOf('--') : args.length
    const data = ['--data', this.dataDir]
    return p2p([...args.slice(0, end), ...data, ...args.slice(end)], this.#options)
  }

  /** Runs a command that must work and returns what it printed as JSON. */
  async json(...args: string[]): Promise<unknown> {
    const { code, stdout, stderr } = await this.p2p('--json', ...args)
    assert.equal(code, 0, `p2p ${args.join(' ')}: ${stderr}\n${this.log}`)
    return JSON.parse(stdout)
  }

  /** Sends the signal and resolves with how long the process took to end, and its exit code. */
  async kill(signal: NodeJS.Signals): Promise<{ code: number | null; ms: number }> {
    const began = performance.now()
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal)
      await once(this.child, 'exit')
    }
    return { code: this.child.exitCode, ms: performance.now() - began }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill('SIGTERM')
    await rm(this.dataDir, { recursive: true, force: true })
  }
}

/** Everything on ports of its own, so that nodes of a test never meet those of another. */
const ANY_PORT = [
  '--listen=/ip4/127.0.0.1/tcp/0',
  '--listen=/ip4/127.0.0.1/udp/0/quic-v1',
  '--api-port=0',
  '--mcp-port=0',
]

/** Starts `p2p start --json` and waits for its ready line. */
export async function startNode(
  args: readonly string[] = [],
  options: RunOptions & { readonly dataDir?: string; readonly ports?: readonly string[] } = {},
): Promise<CliNode> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'p2p-e2e-')))
  const words = ['start', '--json', '--data', dataDir, ...(options.ports ?? ANY_PORT), ...args]
  const child = start(words, options)
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-1_000_000)
  })
  const ready = await readyLine(child, () => log, options.timeoutMs ?? 30_000).catch(
    (error: unknown) => {
      // Nobody else knows of it: it would keep its test from ending.
      child.kill('SIGKILL')
      throw error
    },
  )
  return new CliNode({ child, ready, dataDir, options, log: () => log })
}

/** Nodes of tests that run at the same time must not find each other on the link. */
const ALONE = { NO_COLOR: '1', P2P_DATA: '', P2P_NETWORK_MDNS: 'false' }

/** Starts `p2p` and leaves it running; the caller ends it. */
export function start(args: readonly string[], options: RunOptions = {}): ChildProcess {
  const [command = process.execPath, ...words] = [
    ...(options.wrapper ?? []),
    process.execPath,
    P2P,
    ...args,
  ]
  return spawn(command, words, {
    cwd: options.cwd ?? REPOSITORY,
    env: { ...process.env, ...ALONE, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

/** Waits for the end of a process and collects what it wrote. */
export async function finished(child: ChildProcess, timeoutMs = 60_000): Promise<Finished> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  await once(child, 'close')
  clearTimeout(timer)
  return { code: child.exitCode, stdout, stderr }
}

async function readyLine(
  child: ChildProcess,
  log: () => string,
  timeoutMs: number,
): Promise<Ready> {
  assert.ok(child.stdout !== null)
  const lines = createInterface({ input: child.stdout })
  const line = once(lines, 'line', { signal: AbortSignal.timeout(timeoutMs) })
  const ended = once(child, 'exit').then(() => undefined)
  const first = await Promise.race([line, ended])
  assert.ok(first !== undefined, `the node ended before it was ready: ${log()}`)
  return JSON.parse(String(first[0])) as Ready
}
