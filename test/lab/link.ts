/**
 * Two machines on one long line: delay, loss, rate and queue, packet by packet, in each direction.
 *
 *   a: 10.78.0.1, fd78::1 (wan0) ── link.py ── (wan0) b: 10.78.0.2, fd78::2
 *
 * Neighbours are written down, so that no question for an address adds a round trip. The link ends
 * with this process, however it ends: its standard input does. The machines are those of a lab.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Lab, labUnavailable, type Machine } from './netns.ts'

/** What happens to packets of one direction. */
export interface Way {
  readonly delayMs: number
  /** The share of packets that are dropped, from 0 to 1. */
  readonly loss: number
  /** Bits a second; absent is as fast as the link can. */
  readonly rateBps?: number
  /** How much may wait for its turn when there is a rate; more is dropped. */
  readonly queueBytes?: number
}

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

export interface LinkOptions {
  /** The same in both directions, or one for each. */
  readonly shape: Way | { readonly ab: Way; readonly ba: Way }
  /** Which packets are lost follows from it. */
  readonly seed?: number
}

const PYTHON = '/usr/bin/python3'
const PROGRAM = fileURLToPath(new URL('link.py', import.meta.url))

export const HOST_A = '10.78.0.1'
export const HOST_B = '10.78.0.2'
const HOSTS6 = { [HOST_A]: 'fd78::1', [HOST_B]: 'fd78::2' }

/** Why links cannot be built here, or `undefined` when they can. */
export function linkUnavailable(): string | undefined {
  const reason = labUnavailable()
  if (reason !== undefined) return reason
  try {
    execFileSync(PYTHON, ['-c', ''], { stdio: 'pipe' })
  } catch {
    return `${PYTHON} is missing: apt-get install python3`
  }
  return undefined
}

/** A lab of two machines and the line between them. */
export class Link implements AsyncDisposable {
  readonly a: Machine
  readonly b: Machine
  readonly #lab: Lab
  readonly #wire: ChildProcess
  readonly #lines: AsyncIterator<string>
  #last: Promise<unknown> = Promise.resolve()

  private constructor(lab: Lab) {
    this.#lab = lab
    this.a = lab.machine('a', { addresses: [], ipv6: true })
    this.b = lab.machine('b', { addresses: [], ipv6: true })
    this.#wire = spawn(PYTHON, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
    if (this.#wire.stdout === null) throw new Error('the link has a standard output')
    this.#lines = createInterface({ input: this.#wire.stdout })[Symbol.asyncIterator]()
  }

  static async open({ shape, seed = 1 }: LinkOptions): Promise<Link> {
    const link = new Link(new Lab())
    try {
      await link.#ask({ a: namespaceOf(link.a), b: namespaceOf(link.b), seed })
      setUp(link.a, HOST_A)
      setUp(link.b, HOST_B)
      know(link.a, HOST_B, macOf(link.b))
      know(link.b, HOST_A, macOf(link.a))
      await link.shape(shape)
    } catch (error) {
      await link[Symbol.asyncDispose]()
      throw error
    }
    return link
  }

  /** From now on packets are treated so; counting starts again. */
  async shape(shape: LinkOptions['shape']): Promise<void> {
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
    const ended = once(this.#wire, 'exit')
    this.#wire.stdin?.end()
    if (this.#wire.exitCode === null && this.#wire.signalCode === null) await ended
    await this.#lab[Symbol.asyncDispose]()
  }

  /** One question at a time, for answers come in order. */
  #ask(message: object): Promise<unknown> {
    const answer = this.#last.then(async () => {
      this.#wire.stdin?.write(`${JSON.stringify(message)}\n`)
      const line = await this.#lines.next()
      if (line.done === true) throw new Error('The link ended; its standard error says why')
      return JSON.parse(line.value) as unknown
    })
    this.#last = answer.catch(() => undefined)
    return answer
  }
}

/** The last word of `ip netns exec <namespace>`. */
function namespaceOf({ wrapper }: Machine): string {
  return wrapper.at(-1) ?? ''
}

function setUp(machine: Machine, host: keyof typeof HOSTS6): void {
  machine.ip('link', 'set', 'eth0', 'down')
  machine.ip('address', 'add', `${host}/24`, 'dev', 'wan0')
  machine.ip('address', 'add', `${HOSTS6[host]}/64`, 'dev', 'wan0')
  machine.ip('link', 'set', 'wan0', 'up')
}

function know(machine: Machine, host: keyof typeof HOSTS6, mac: string): void {
  for (const address of [host, HOSTS6[host]]) {
    machine.ip('neighbour', 'add', address, 'lladdr', mac, 'dev', 'wan0', 'nud', 'permanent')
  }
}

function macOf({ wrapper }: Machine): string {
  const [command = '', ...words] = wrapper
  const shown = [...words, 'ip', '-json', 'link', 'show', 'dev', 'wan0']
  const [found] = JSON.parse(execFileSync(command, shown, { encoding: 'utf8' })) as [
    { readonly address: string },
  ]
  return found.address
}
