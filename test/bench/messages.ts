/** The bench `messages`: what an agent's message costs above the stream, the gossip and the keys. */

import type { Bench, Measured, Run } from './harness.ts'
import type { Load, Pace } from './messages-load.ts'

const NODE_SIDE = new URL('./sides/messages-node.ts', import.meta.url)
const RAW_SIDE = new URL('./sides/messages-raw.ts', import.meta.url)
const CROWD_SIDE = new URL('./sides/messages-crowd.ts', import.meta.url)
const BYTES = 1_024
const FULL: Load = { warmUp: 2_000, sequential: 1_000, crowd: 4_000, bytes: BYTES }
const SHORT: Load = { warmUp: 500, sequential: 100, crowd: 400, bytes: BYTES }
const FAN = { full: { size: 50, count: 30 }, short: { size: 5, count: 3 } }
/** Of a message and of its receipt, one after the other: signed by one, looked at by the other. */
const SIGNATURES = 2

const ms = { unit: 'ms', better: 'lower' } as const

export const bench: Bench = {
  name: 'messages',
  what:
    'Messages of 1 KiB between the agents of two whole nodes, each until its signed receipt is ' +
    'there, and broadcasts until the last of 49 other agents has them; next to calls of as many ' +
    'bytes on the bare stream, bare gossip between the same nodes, and the signatures alone.',
  packages: ['libp2p', '@chainsafe/libp2p-quic', '@libp2p/gossipsub', '@noble/curves'],
  metrics: {
    direct_p50: ms,
    direct_p99: ms,
    direct_perSecond: { unit: 'messages/s', better: 'higher' },
    fan_p50: ms,
    fan_p95: ms,
    raw_p50: ms,
    raw_perSecond: { unit: 'calls/s', better: 'higher' },
    gossip_p50: ms,
    sign: ms,
    verify: ms,
  },
  ours: async (run) => ({ ...(await direct(run)), ...(await fanned(run)) }),
  peers: { partsAlone },
  ratios: {
    direct_p50: ['direct_p50', 'partsAlone.direct_p50'],
    direct_p99: ['direct_p99', 'partsAlone.direct_p99'],
    direct_perSecond: ['direct_perSecond', 'partsAlone.direct_perSecond'],
    fan_p50: ['fan_p50', 'partsAlone.fan_p50'],
  },
  goals: {
    'ratio.direct_p50': { atLeast: 0.833 },
    'ratio.direct_perSecond': { atLeast: 0.8 },
    'ratio.fan_p50': { atLeast: 0.833 },
  },
  notes: [
    'Ours: nodes as `createNode` makes them, over QUIC on loopback, the message sealed for its ' +
      'recipient, stored by both, checked, and its receipt signed; each end in a process.',
    'partsAlone is a sum, measured in the same round: a call with as many bytes on the stream ' +
      '(raw), and two signatures with a look at each for every message; a rate counts what one ' +
      'end has to do, and a broadcast one signature and a look at it by each of the others.',
    'All agents of a broadcast share one process and its one thread, in both columns.',
  ],
}

async function direct(run: Run): Promise<Measured> {
  const sender = await run.start(NODE_SIDE)
  const { peer, address } = await sender.call<{ peer: string; address: string }>('start')
  const receiver = await run.start(NODE_SIDE)
  const { peer: to } = await receiver.call<{ peer: string }>('start', {
    bootstrap: address,
    granted: peer,
  })
  const load = run.short ? SHORT : FULL
  const { p50, p99, perSecond } = await sender.call<Pace>('measure', { ...load, to })
  return { direct_p50: p50, direct_p99: p99, direct_perSecond: perSecond }
}

async function fanned(run: Run): Promise<Measured> {
  const { size, count } = run.short ? FAN.short : FAN.full
  const crowd = await run.start(CROWD_SIDE)
  await crowd.call('start', { size })
  const { p50, p95 } = await crowd.call<{ p50: number; p95: number }>('agents', {
    count,
    bytes: BYTES,
  })
  return { fan_p50: p50, fan_p95: p95 }
}

async function partsAlone(run: Run): Promise<Measured> {
  const load = run.short ? SHORT : FULL
  const dialler = await run.start(RAW_SIDE)
  const { peer } = await dialler.call<{ peer: string }>('start')
  const listener = await run.start(RAW_SIDE)
  const address = await listener.call<string>('listen', { granted: peer })
  await dialler.call('dial', { address })
  const raw = await dialler.call<Pace>('measure', load)
  const { sign, verify } = await dialler.call<{ sign: number; verify: number }>('signatures', {
    bytes: BYTES,
    count: run.short ? 50 : 2_000,
  })
  const { size, count } = run.short ? FAN.short : FAN.full
  const crowd = await run.start(CROWD_SIDE)
  await crowd.call('start', { size })
  const bare = await crowd.call<{ p50: number; p95: number }>('bare', { count, bytes: BYTES })
  const both = sign + verify
  const looks = sign + (size - 1) * verify
  return {
    direct_p50: raw.p50 + SIGNATURES * both,
    direct_p99: raw.p99 + SIGNATURES * both,
    direct_perSecond: 1_000 / (1_000 / raw.perSecond + both),
    fan_p50: bare.p50 + looks,
    fan_p95: bare.p95 + looks,
    raw_p50: raw.p50,
    raw_perSecond: raw.perSecond,
    gossip_p50: bare.p50,
    sign,
    verify,
  }
}
