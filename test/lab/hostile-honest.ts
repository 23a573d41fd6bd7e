/**
 * Honest peers: one after another they connect from their own addresses and ping; how many could.
 *
 * Usage: hostile-honest.ts <json of `Honest`>; prints one line of JSON when all are done.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { plainNode, quicDialler } from './hostile-dialler.ts'

export interface Honest {
  readonly target: { readonly host: string; readonly port: number; readonly transport: string }
  readonly addresses: readonly string[]
  readonly peers: number
  readonly everyMs: number
}

const { target, addresses, peers, everyMs } = JSON.parse(process.argv[2] ?? '{}') as Honest
const TRY_MS = 5_000
const result = { peers, connected: 0, atOnce: 0, msMedian: 0, msMax: 0, reasons: [] as string[] }
const took: number[] = []
const stay: unknown[] = []
const overQuic = target.transport === 'quic' ? await quicDialler() : undefined

const all: Promise<void>[] = []
for (let i = 0; i < peers; i += 1) {
  all.push(one(i))
  await wait(everyMs)
}
await Promise.all(all)
took.sort((a, b) => a - b)
result.msMedian = took[took.length >> 1] ?? 0
result.msMax = took.at(-1) ?? 0
process.stdout.write(`${JSON.stringify(result)}\n`)
process.exit(0)

/** Tries again once, as whoever wants a peer does. */
async function one(i: number): Promise<void> {
  const began = performance.now()
  for (let tries = 0; tries < 2; tries += 1) {
    try {
      await meet(addresses[i % addresses.length] ?? '')
      took.push(performance.now() - began)
      result.connected += 1
      if (tries === 0) result.atOnce += 1
      return
    } catch (error) {
      result.reasons.push(error instanceof Error ? error.message : String(error))
      await wait(500)
    }
  }
}

async function meet(address: string): Promise<void> {
  if (overQuic !== undefined) {
    stay.push(await within(overQuic(target.host, target.port)))
    return
  }
  const node = await plainNode(address)
  stay.push(node)
  const signal = AbortSignal.timeout(TRY_MS)
  const where = multiaddr(`/ip4/${target.host}/tcp/${target.port}`)
  const { remotePeer } = await node.dial(where, { signal })
  await node.services.ping.ping(remotePeer, { signal })
}

function within<T>(work: Promise<T>): Promise<T> {
  const late = wait(TRY_MS).then(() => Promise.reject(new Error('not in time')))
  return Promise.race([work, late])
}
