/**
 * Two machines on one long line: delay, loss, rate and queue, packet by packet, in each direction.
 *
 *   a: 10.78.0.1, fd78::1 (wan0) ── link.py ── (wan0) b: 10.78.0.2, fd78::2
 *
 * Neighbours are written down, so that no question for an address adds a round trip. The machines
 * are those of a lab.
 */

import { execFileSync } from 'node:child_process'
import { Lab, type Machine } from './netns.ts'
import { type Shape, type Traced, type WayStats, Wire } from './wire.ts'

export { type Traced, type Way, type WayStats, wireUnavailable as linkUnavailable } from './wire.ts'

export interface LinkOptions {
  readonly shape: Shape
  /** Which packets are lost follows from it. */
  readonly seed?: number
}

export const HOST_A = '10.78.0.1'
export const HOST_B = '10.78.0.2'
const HOSTS6 = { [HOST_A]: 'fd78::1', [HOST_B]: 'fd78::2' }
const NAMES = { a: 'wan0', b: 'wan0' }

/** A lab of two machines and the line between them. */
export class Link implements AsyncDisposable {
  readonly a: Machine
  readonly b: Machine
  readonly #lab: Lab
  readonly #wire: Wire

  private constructor(lab: Lab, { a, b }: { a: Machine; b: Machine }, wire: Wire) {
    this.#lab = lab
    this.a = a
    this.b = b
    this.#wire = wire
  }

  static async open({ shape, seed = 1 }: LinkOptions): Promise<Link> {
    await using opened = new AsyncDisposableStack()
    const lab = opened.use(new Lab())
    const a = lab.machine('a', { addresses: [], ipv6: true })
    const b = lab.machine('b', { addresses: [], ipv6: true })
    const ends = { a: namespaceOf(a), b: namespaceOf(b) }
    const wire = opened.use(await Wire.open({ ...ends, names: NAMES, seed, multicast: false }))
    setUp(a, HOST_A)
    setUp(b, HOST_B)
    know(a, HOST_B, macOf(b))
    know(b, HOST_A, macOf(a))
    await wire.shape(shape)
    opened.move()
    return new Link(lab, { a, b }, wire)
  }

  /** From now on packets are treated so; counting starts again. */
  async shape(shape: Shape): Promise<void> {
    await this.#wire.shape(shape)
  }

  stats(): Promise<{ readonly ab: WayStats; readonly ba: WayStats }> {
    return this.#wire.stats()
  }

  /** Runs `work` and tells which packets passed meanwhile. */
  trace(work: () => Promise<unknown>): Promise<readonly Traced[]> {
    return this.#wire.trace(work)
  }

  /** A folder that goes with the link. */
  folder(name: string): string {
    return this.#lab.folder(name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#wire[Symbol.asyncDispose]()
    await this.#lab[Symbol.asyncDispose]()
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
