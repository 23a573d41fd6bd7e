/**
 * A service's process: spoken to over stdin and stdout, ended with everything that it started.
 *
 * The process leads a group of its own, because `npx` and shell scripts put the real server two
 * processes further down. No shell reads the command. What the process says on stderr goes to the
 * debug log, and its last lines into the error when it does not start.
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { Clock, Logger } from '../base/index.ts'
import { encodeFrame } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { LastLines } from './last-lines.ts'
import { LongLines, type OpenWriter } from './long-lines.ts'
import type { Pipe } from './pipe.ts'
import { FRAME_BYTES_MAX } from './protocol.ts'
import { clientSdk } from './sdk.ts'
import type { ServiceSource } from './tool.ts'

export type StdioSource = Extract<ServiceSource, { kind: 'stdio' }>

export interface ChildDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Where its answers above one frame go; without it, they are refused. */
  readonly longAnswers?: OpenWriter | undefined
}

/** How the process ended. */
export interface Exit {
  readonly code: number | null
  readonly reason: string
}

const OPEN_OBJECT = 0x7b
/** From asking to end until forcing it. */
const TERM_MS = 2_000
const POLL_MS = 20

export class Child implements Pipe {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #clock: Clock
  readonly #stderr: LastLines
  readonly #lines: LongLines
  readonly #chunks: AsyncIterator<Uint8Array>
  /** Asked for ahead: Node throws away what nobody reads when the process exits. */
  #next: Promise<IteratorResult<Uint8Array>>
  readonly #frames: Uint8Array[] = []
  readonly #exited = Promise.withResolvers<Exit>()
  #stopping: Promise<void> | undefined

  /** Starts the process. Resolves once it runs; throws `MCP_SERVICE_START_FAILED` if it cannot. */
  static async start(service: string, source: StdioSource, deps: ChildDeps): Promise<Child> {
    const { getDefaultEnvironment } = await clientSdk()
    const env = { ...getDefaultEnvironment(), ...source.env }
    const child = new Child(service, { ...source, env }, deps)
    await new Promise<void>((resolve, reject) => {
      child.#process.once('spawn', resolve)
      child.#process.once('error', (cause) => {
        const reason = `${source.command} could not be run in ${source.cwd} (${cause.message})`
        reject(
          McpError.SERVICE_START_FAILED({ service, reason, exitCode: null, stderr: [] }, cause),
        )
      })
    })
    return child
  }

  private constructor(service: string, source: StdioSource, deps: ChildDeps) {
    const { clock, log } = deps
    this.#clock = clock
    this.#lines = new LongLines(deps.longAnswers)
    this.#stderr = new LastLines((line) => log.debug('service said', { service, line }))
    this.#process = spawn(source.command, [...source.args], {
      cwd: source.cwd,
      env: source.env,
      stdio: ['pipe', 'pipe', 'pipe'],
      shell: false,
      detached: true,
      windowsHide: true,
    })
    this.#chunks = this.#process.stdout[Symbol.asyncIterator]()
    this.#next = this.#ahead()
    this.#process.stderr.on('data', (bytes: Buffer) => this.#stderr.push(bytes))
    // A broken pipe is told to whoever writes; without a listener it would stop the program.
    this.#process.stdin.on('error', () => {})
    this.#process.on('error', (error) => {
      if (this.#process.pid === undefined) {
        this.#exited.resolve({ code: null, reason: error.message })
      }
    })
    this.#process.on('exit', (code, signal) => {
      const how = signal === null ? `it exited with code ${code ?? 0}` : `it was ended by ${signal}`
      this.#exited.resolve({ code, reason: how })
      // What it wrote last can still be read; what it started ends with it.
      void this.#endGroup()
    })
  }

  /** Resolves when the process is gone. */
  get exited(): Promise<Exit> {
    return this.#exited.promise
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** What it said last on stderr. */
  get lastLines(): readonly string[] {
    return this.#stderr.lines
  }

  /** Passes over lines that are no JSON object: many servers greet on stdout. */
  async read(options: { readonly signal?: AbortSignal } = {}): Promise<Uint8Array | undefined> {
    for (;;) {
      const frame = this.#frames.shift()
      if (frame !== undefined) {
        if (frame[0] === OPEN_OBJECT) return frame
        continue
      }
      const chunk = await settled(this.#next, options.signal)
      if (chunk.done === true) return undefined
      this.#next = this.#ahead()
      this.#frames.push(...(await this.#lines.push(chunk.value)))
    }
  }

  async write(frame: Uint8Array, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const { stdin } = this.#process
    const written = new Promise<void>((resolve, reject) => {
      stdin.write(encodeFrame('line', frame, FRAME_BYTES_MAX), (cause) => {
        if (cause == null) resolve()
        else reject(McpError.SERVICE_ENDED({ reason: cause.message }, cause))
      })
    })
    await settled(written, options.signal)
  }

  /** Ends the process and all that it started: asked first, forced after two seconds. */
  async close(): Promise<void> {
    this.#stopping ??= this.#stop()
    await this.#stopping
  }

  abort(): void {
    void this.close()
  }

  /** What we cut off ourselves is an end like any other. */
  #ahead(): Promise<IteratorResult<Uint8Array>> {
    return this.#chunks.next().catch(() => ({ done: true, value: undefined }))
  }

  async #stop(): Promise<void> {
    const { stdin, stdout, stderr, pid } = this.#process
    stdin.destroy()
    if (pid !== undefined) await this.#endGroup()
    await this.#exited.promise
    stdout.destroy()
    await this.#lines.close()
    stderr.destroy()
  }

  async #endGroup(): Promise<void> {
    if (!this.#signal('SIGTERM')) return
    for (let waited = 0; waited < TERM_MS && this.#signal(0); waited += POLL_MS) {
      await this.#clock.sleep(POLL_MS)
    }
    this.#signal('SIGKILL')
  }

  /** Signals the whole group; false when nobody of it is left. */
  #signal(signal: NodeJS.Signals | 0): boolean {
    const { pid } = this.#process
    if (pid === undefined) return false
    try {
      return process.kill(-pid, signal)
    } catch {
      return process.platform === 'win32' && this.#process.kill(signal)
    }
  }
}

/** The value, or the signal's reason if that comes first. */
async function settled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const stop = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
