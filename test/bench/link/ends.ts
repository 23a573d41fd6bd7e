/**
 * The two ends of a network bench: a process that listens and one that dials, on loopback or at
 * the ends of a long line.
 */

import { execFileSync } from 'node:child_process'
import { HOST_B, Link, type LinkOptions, linkUnavailable } from '../../lab/link.ts'
import type { Run } from '../harness.ts'
import type { WorkerProcess } from '../harness-process.ts'
import type { Questions, Transfer, Transferred, UdpEcho } from '../sides/side.ts'
import type { Transport } from '../sides/stack.ts'

export type StackName = 'ours' | 'hub' | 'plain' | 'hyperdht' | 'tls' | 'net'

export interface EndsOptions {
  /** Absent: both ends on loopback. */
  readonly link?: Link | undefined
  /** How many will dial at once from one address. */
  readonly crowd?: number
  readonly dialling?: number
}

const SIDE = new URL('../sides/side.ts', import.meta.url)
const TRANSPORTS: readonly Transport[] = ['quic', 'tcp']

/**
 * Loss means the same to TCP on every machine: Reno is the one congestion control that every
 * kernel has and lets a namespace choose. And no transfer profits from what the kernel remembers.
 */
const KNOBS = ['net.ipv4.tcp_congestion_control=reno', 'net.ipv4.tcp_no_metrics_save=1']

/** A line for benches; throws when none can be built here. */
export async function openLine(shape: LinkOptions['shape']): Promise<Link> {
  const reason = linkUnavailable()
  if (reason !== undefined) throw new TypeError(`cannot build the link: ${reason}`)
  const link = await Link.open({ shape })
  try {
    for (const { wrapper } of [link.a, link.b]) {
      const [command = '', ...words] = wrapper
      execFileSync(command, [...words, 'sysctl', '-q', '-w', ...KNOBS])
    }
    return link
  } catch (error) {
    await link[Symbol.asyncDispose]()
    throw error
  }
}

/** Starts both ends; they end with the run's side. */
export async function startEnds(
  run: Run,
  stack: StackName,
  { link, crowd, dialling = 1 }: EndsOptions = {},
): Promise<Ends> {
  const start = (wrapper: readonly string[] = []) => run.start(SIDE, { args: [stack], wrapper })
  const diallers = Array.from({ length: dialling }, () => start(link?.a.wrapper))
  const [server, ...clients] = await Promise.all([start(link?.b.wrapper), ...diallers])
  const host = link === undefined ? '127.0.0.1' : HOST_B
  const listened = await server.call<Listened>('listen', {
    host,
    transports: TRANSPORTS,
    ...(crowd === undefined ? {} : { crowd }),
  })
  return new Ends(server, clients, { host, ...listened })
}

interface Listened {
  readonly addresses: Readonly<Partial<Record<Transport, string>>>
  readonly udpPort: number
}

export class Ends implements AsyncDisposable {
  readonly server: WorkerProcess
  readonly clients: readonly WorkerProcess[]
  readonly #at: Listened & { readonly host: string }

  constructor(
    server: WorkerProcess,
    clients: readonly WorkerProcess[],
    at: Listened & { readonly host: string },
  ) {
    this.server = server
    this.clients = clients
    this.#at = at
  }

  /** The transports of this stack, and where each is dialled. */
  get addresses(): readonly (readonly [Transport, string])[] {
    return TRANSPORTS.flatMap((transport) => {
      const address = this.#at.addresses[transport]
      return address === undefined ? [] : [[transport, address] as const]
    })
  }

  /** Where datagrams are echoed, beside the stack. */
  get udpEcho(): UdpEcho {
    const { host, udpPort } = this.#at
    return { host, port: udpPort }
  }

  /** The round trip of the path itself, in milliseconds: the median of single datagrams. */
  async pathMs(count: number): Promise<number> {
    return median(await this.#ask('path', { ...this.udpEcho, count }))
  }

  /** From the dial to the first byte, in milliseconds, over new connections. */
  connect(address: string, count: number): Promise<number[]> {
    return this.#ask('connect', { address, count })
  }

  /** Small questions and answers on one open stream, in milliseconds. */
  echo(questions: Questions): Promise<number[]> {
    return this.#ask('echo', questions)
  }

  /** Mbit/s of one transfer; what has arrived counts when the cap cuts it short. */
  async mbps(transfer: Transfer): Promise<number> {
    await this.server.call('forget')
    const { whole, bytes, ms } = await this.#ask<Transferred>('transfer', transfer)
    const isCounted = whole || transfer.direction === 'down'
    const arrived = isCounted ? bytes : await this.server.call<number>('swallowed')
    await this.#ask('cut', {})
    return (arrived * 8) / 1_000 / ms
  }

  /** Ends both processes now and not with the round. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = [this.server, ...this.clients]
    await Promise.all(all.map((worker) => worker[Symbol.asyncDispose]()))
  }

  #ask<T>(op: string, params: object): Promise<T> {
    const [client] = this.clients
    if (client === undefined) throw new TypeError('nobody dials')
    return client.call<T>(op, params)
  }
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
