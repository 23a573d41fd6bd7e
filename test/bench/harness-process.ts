/** A worker process as the bench sees it: calls out, answers back, and an end that is certain. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface WorkerOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Options of Node itself: `--expose-gc`, `--cpu-prof`. */
  readonly nodeArgs?: readonly string[]
  /** Words in front of the command: `ip netns exec x`. */
  readonly wrapper?: readonly string[]
}

/** No call of a bench takes longer; who waits more waits for something that hangs. */
const CALL_TIMEOUT_MS = 300_000
const END_TIMEOUT_MS = 5_000

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.on(signal, () => process.exit(code))
}

export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #what: string
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  readonly #ready = Promise.withResolvers<void>()
  #lastId = 0

  constructor(file: string | URL, options: WorkerOptions) {
    const { wrapper = [], nodeArgs = [], args = [], env = {} } = options
    const path = typeof file === 'string' ? file : fileURLToPath(file)
    const words = [...wrapper, process.execPath, ...nodeArgs, path, ...args]
    const [command = process.execPath, ...rest] = words
    this.#what = `worker ${path}`
    this.#child = spawn(command, rest, {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    alive.add(this.#child)
    this.#child.once('exit', (code, signal) => this.#gone(`exit ${String(code ?? signal)}`))
    this.#child.once('error', (error) => this.#gone(error.message))
    this.#child.stdin?.on('error', () => {})
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on('line', (line) => this.#hear(line))
    }
  }

  /** Resolves once the worker answers. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Has the worker do `op`; rejects with what it threw, or when it is gone. */
  async call<T>(op: string, params: unknown = {}): Promise<T> {
    this.#lastId += 1
    const id = this.#lastId
    const answer = Promise.withResolvers<unknown>()
    this.#waiting.set(id, answer)
    const late = setTimeout(() => {
      answer.reject(new TypeError(`${this.#what}: no answer to "${op}"`))
    }, CALL_TIMEOUT_MS)
    this.#child.stdin?.write(`${JSON.stringify({ id, op, params })}\n`)
    try {
      return (await answer.promise) as T
    } finally {
      clearTimeout(late)
      this.#waiting.delete(id)
    }
  }

  /** Ends it: politely, then not. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!alive.has(this.#child)) return
    const gone = once(this.#child, 'exit')
    this.#child.stdin?.end()
    const late = setTimeout(() => this.#child.kill('SIGKILL'), END_TIMEOUT_MS)
    await gone
    clearTimeout(late)
  }

  #hear(line: string): void {
    const message = JSON.parse(line) as { id?: number; ok?: unknown; error?: string }
    if (message.id === undefined) {
      this.#ready.resolve()
      return
    }
    const answer = this.#waiting.get(message.id)
    if (message.error === undefined) answer?.resolve(message.ok)
    else answer?.reject(new TypeError(`${this.#what}: ${message.error}`))
  }

  #gone(how: string): void {
    alive.delete(this.#child)
    const error = new TypeError(`${this.#what} is gone: ${how}`)
    this.#ready.reject(error)
    this.#ready.promise.catch(() => {})
    for (const answer of this.#waiting.values()) answer.reject(error)
  }
}
