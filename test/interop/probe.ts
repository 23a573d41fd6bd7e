/**
 * A peer that nobody here wrote, as a process: go-libp2p, rust-libp2p or js-libp2p. All three take
 * the same questions, one JSON object a line, and answer each on a line of its own (see `go/main.go`).
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Program } from './programs.ts'

export type Answer = Readonly<Record<string, unknown>>

/** What a peer heard on a topic. */
export interface Heard {
  readonly topic: string
  readonly from: string
  /** As hexadecimal digits. */
  readonly data: string
}

export interface ProbeOptions {
  readonly listen: readonly string[]
  readonly security?: 'noise' | 'tls'
  /** What stands before `/kad/1.0.0`. */
  readonly kad?: string
  readonly relay?: boolean
  readonly private?: boolean
  /** Words in front of the command, such as `ip netns exec x`. */
  readonly wrapper?: readonly string[]
}

const READY_MS = 30_000
const ANSWER_MS = 45_000

export class Probe implements AsyncDisposable {
  readonly peer: string
  readonly addresses: readonly string[]
  readonly heard: Heard[] = []
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #asked = 0
  #ended: string | undefined

  private constructor(child: ChildProcess, ready: Answer) {
    this.#child = child
    this.peer = String(ready.peerId)
    this.addresses = ready.addresses as string[]
  }

  static async start(program: Program, options: ProbeOptions): Promise<Probe> {
    const flags = [
      `--listen=${options.listen.join(',')}`,
      `--security=${options.security ?? 'noise'}`,
      `--kad=${options.kad ?? '/p2p'}`,
      `--relay=${options.relay === true}`,
      `--private=${options.private === true}`,
    ]
    const words = [...(options.wrapper ?? []), ...program.command, ...flags]
    const child = spawn(words[0] ?? '', words.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] })
    let log = ''
    child.stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-10_000)
    })
    const lines = createInterface({ input: child.stdout })
    const first = Promise.withResolvers<Answer>()
    const late = setTimeout(() => first.reject(new Error(`not ready: ${log}`)), READY_MS)
    child.once('exit', (code) => first.reject(new Error(`ended with ${code}: ${log}`)))
    child.once('error', first.reject)
    let take = (answer: Answer) => first.resolve(answer)
    lines.on('line', (line) => take(JSON.parse(line) as Answer))
    const ready = await first.promise.finally(() => clearTimeout(late))
    const probe = new Probe(child, ready)
    take = (answer) => probe.#take(answer)
    child.once('close', () => {
      probe.#ended = `the peer ended: ${log}`
      for (const answer of probe.#waiting.values()) answer({ error: probe.#ended })
    })
    return probe
  }

  /** Rejects with what the peer says went wrong. */
  async ask(op: string, words: Answer = {}): Promise<Answer> {
    if (this.#ended !== undefined) throw new Error(`${op}: ${this.#ended}`)
    this.#asked += 1
    const id = this.#asked
    const answered = Promise.withResolvers<Answer>()
    this.#waiting.set(id, answered.resolve)
    const late = setTimeout(() => answered.reject(new Error(`${op}: no answer`)), ANSWER_MS)
    this.#child.stdin?.write(`${JSON.stringify({ id, op, ...words })}\n`)
    const answer = await answered.promise.finally(() => {
      clearTimeout(late)
      this.#waiting.delete(id)
    })
    if (answer.ok !== true) throw new Error(`${op}: ${String(answer.error)}`)
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin?.end()
    this.#child.kill('SIGKILL')
    await gone
  }

  #take(answer: Answer): void {
    if (answer.event === 'message') this.heard.push(answer as unknown as Heard)
    else this.#waiting.get(Number(answer.id))?.(answer)
  }
}
