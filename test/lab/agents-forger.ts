/**
 * A stranger in the laboratory `agents`, who hands every agent what it must not take: copies, what
 * it signed for somebody else, what was for another, what was changed on the way.
 *
 *   node agents-forger.ts HOST
 *   {"victims": [{peer, address}, …], "rounds": n, "everyMs": n}
 *     {"done": Forged} when all of it was tried
 */

import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { writeEnvelope } from '../../src/agent/envelope.ts'
import { readPreKey } from '../../src/agent/pre-keys.ts'
import { Sealer } from '../../src/agent/seal.ts'
import {
  CodedError,
  Registry,
  secureRandom,
  silentLog,
  startAll,
  systemClock,
  utf8,
} from '../../src/base/index.ts'
import { generateKeys, type PeerId, peerId } from '../../src/identity/index.ts'
import { RpcClient, rpcConfig, rpcMetrics } from '../../src/rpc/index.ts'
import type { Cbor } from '../../src/wire/index.ts'
import { testHost } from '../support/testnet.ts'
import { FORGED_TEXT, HONEST_TEXT } from './agents-tally.ts'

export interface Victim {
  readonly peer: string
  readonly address: string
}

interface Order {
  readonly victims: readonly Victim[]
  readonly rounds: number
  readonly everyMs: number
}

/** What became of all that was handed over. */
export interface Forged {
  /** Of its own hand, each three times. */
  readonly honest: number
  readonly forged: number
  /** Forged, and answered with a receipt: nothing may be. */
  readonly believed: number
  readonly refusals: Readonly<Record<string, number>>
}

const NETWORK = 'test'
const COPIES = 3
const [host = ''] = process.argv.slice(2)
const keys = generateKeys(secureRandom)
const self = keys.signer.peer
const room = { network: NETWORK, clock: systemClock, log: silentLog }
const net = await testHost({ listen: [`/ip4/${host}/tcp/9001`], deps: { keys } })
const metrics = rpcMetrics(new Registry())
const client = new RpcClient({ ...room, host: net, metrics }, rpcConfig.parse({}))
const sealer = new Sealer({ ...room, random: secureRandom, from: self })
const count = { honest: 0, forged: 0, believed: 0 }
const refusals: Record<string, number> = {}
await startAll([net, client])

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order
  for (let round = 0; round < order.rounds; round += 1) {
    for (const victim of order.victims) await visit(victim, order.victims).catch(() => undefined)
    await wait(order.everyMs)
  }
  process.stdout.write(`${JSON.stringify({ done: { ...count, refusals } satisfies Forged })}\n`)
}
process.exit()

async function visit(victim: Victim, all: readonly Victim[]): Promise<void> {
  await net.connect(victim.address)
  const to = peerId(victim.peer)
  const other = all.find(({ peer }) => peer !== victim.peer)
  const honest = await message(to, to, { text: HONEST_TEXT })
  let isTaken = false
  for (let copy = 0; copy < COPIES; copy += 1) {
    isTaken = (await handed(to, honest).catch(() => false)) || isTaken
  }
  if (isTaken) count.honest += 1
  if (other === undefined) return
  const forTo = { text: FORGED_TEXT }
  // Its own signature under another's name; for another; changed at its end, and in its middle.
  const asOther = await message(to, to, { ...forTo, from: peerId(other.peer) })
  const forOther = await message(peerId(other.peer), to, forTo)
  const middle = honest.length >> 1
  for (const forgery of [asOther, forOther, flipped(honest, honest.length - 1)]) {
    await forge(to, forgery)
  }
  await forge(to, flipped(honest, middle))
}

async function forge(to: PeerId, envelope: Uint8Array): Promise<void> {
  count.forged += 1
  if (await handed(to, envelope)) count.believed += 1
}

/** Whether it was answered with a receipt. */
async function handed(to: PeerId, envelope: Uint8Array): Promise<boolean> {
  try {
    return (await client.call(to, 'agent.deliver', envelope)) instanceof Uint8Array
  } catch (error) {
    const code = error instanceof CodedError ? (error as CodedError).code : 'unknown'
    refusals[code] = (refusals[code] ?? 0) + 1
    return false
  }
}

/** For one, sealed with the keys of another. */
async function message(
  to: PeerId,
  keysOf: PeerId,
  { text, from = self }: { readonly text: string; readonly from?: PeerId },
): Promise<Uint8Array> {
  const [first] = (await client.call(keysOf, 'agent.keys', null)) as readonly Cbor[]
  const nowMs = systemClock.now()
  const preKey = readPreKey(first ?? null, { peer: keysOf, network: NETWORK, nowMs })
  const times = { sentAtMs: nowMs, expiresAtMs: nowMs + 3_600_000 }
  const said = { from: { peer: from }, to: { peer: to }, id: secureRandom.bytes(16) }
  const draft = { ...said, ...times, kind: 'message' as const, body: utf8(text) }
  return writeEnvelope(sealer.seal(draft, preKey), keys.signer, { network: NETWORK })
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}
