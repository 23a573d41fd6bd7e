/**
 * The process that carries packets between two namespaces: `link.py`, asked line by line.
 *
 *   namespace a ── link.py ── namespace b
 *
 * It ends with this process, however it ends: its standard input does.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { labUnavailable } from './namespaces.ts'

/** What happens to packets of one direction. */
export interface Way {
  readonly delayMs: number
  /** The share of packets that are dropped, from 0 to 1. */
  readonly loss: number
  /** Up to so much more delay for each packet; they stay in order. */
  readonly jitterMs?: number
  /** How many are lost after each other, on average; absent is one by one. */
  readonly burst?: number
  /** Bits a second; absent is as fast as the link can. */
  readonly rateBps?: number
  /** How much may wait for its turn when there is a rate; more is dropped. */
  readonly queueBytes?: number
}

/** The same in both directions, or one for each. */
export type Shape = Way | { readonly ab: Way; readonly ba: Way }

export interface WayStats {
  readonly packets: number
  readonly bytes: number
  readonly lost: number
  /** Found no room: in the queue of the rate, or because the link was too slow. */
  readonly overflowed: number
  readonly sent: number
  readonly refused: number
  /** Of one packet, headers included: above 1,514 it was no packet of a wire. */
  readonly longest: number
}

/** A packet as it entered the link; `start` is its first bytes from the Ethernet header on. */
export interface Traced {
  readonly atUs: number
  readonly way: 'ab' | 'ba'
  readonly length: number
  readonly start: Uint8Array
}

export interface WireOptions {
  /** The namespaces at both ends. */
  readonly a: string
  readonly b: string
  /** What the interfaces are called there. */
  readonly names: { readonly a: string; readonly b: string }
  /** Which packets are lost follows from it. */
  readonly seed: number
  /** Whether questions for neighbours pass; without it they must be written down. */
  readonly multicast: boolean
}

const PYTHON = '/usr/bin/python3'
const PROGRAM = fileURLToPath(new URL('link.py', import.meta.url))

/** Why wires cannot be built here, or `undefined` when they can. */
export function wireUnavailable(): string | undefined {
  const reason = labUnavailable()
  if (reason !== undefined) return reason
  try {
    execFileSync(PYTHON, ['-c', ''], { stdio: 'pipe' })
  } catch {
    return `${PYTHON} is missing: apt-get install python3`
  }
  return undefined
}

/** A running wire; disposing of it takes both interfaces away. */
export class Wire implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>
  #last: Promise<unknown> = Promise.resolve()

  private constructor() {
    this.#process = spawn(PYTHON, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
    if (this.#process.stdout === null) throw new Error('the wire has a standard output')
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  /** Attaches to both namespaces; the interfaces there have no address yet and are down. */
  static async open(options: WireOptions): Promise<Wire> {
    const wire = new Wire()
    try {
      await wire.#ask(options)
    } catch (error) {
      await wire[Symbol.asyncDispose]()
      throw error
    }
    return wire
  }

  /** From now on packets are treated so; counting starts again. */
  async shape(shape: Shape): Promise<void> {
    const { ab, ba } = 'ab' in shape ? shape : { ab: shape, ba: shape }
    await this.#ask({ shape: { ab, ba } })
  }

  async stats(): Promise<{ readonly ab: WayStats; readonly ba: WayStats }> {
    return (await this.#ask({ stats: true })) as { ab: WayStats; ba: WayStats }
  }

  /** Runs `work` and tells which packets passed meanwhile. */
  async trace(work: () => Promise<unknown>): Promise<readonly Traced[]> {
    await this.#ask({ trace: true })
    await work()
    const { trace } = (await this.#ask({ trace: false })) as {
      trace: readonly (readonly [number, 'ab' | 'ba', number, string])[]
    }
    return trace.map(([atUs, way, length, start]) => {
      return { atUs, way, length, start: Buffer.from(start, 'hex') }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.stdin?.end()
    if (this.#process.exitCode === null && this.#process.signalCode === null) await ended
  }

  /** One question at a time, for answers come in order. */
  #ask(message: object): Promise<unknown> {
    const answer = this.#last.then(async () => {
      this.#process.stdin?.write(`${JSON.stringify(message)}\n`)
      const line = await this.#lines.next()
      if (line.done === true) throw new Error('The link ended; its standard error says why')
      return JSON.parse(line.value) as unknown
    })
    this.#last = answer.catch(() => undefined)
    return answer
  }
}
