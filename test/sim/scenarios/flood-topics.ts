/**
 * One peer sends frames of 349,525 subscriptions each (CVE-2026-46679: 89 MB of heap for one, and
 * seventeen end a process), `--nodes` of them, each on a stream of its own, half in 0.7 MiB and
 * half in 4 MiB. Real hosts over real TCP on loopback; the frames are made before the heap is
 * first measured, and what is measured is this process, which holds the flooder too.
 */

import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { RPC } from '@libp2p/gossipsub/message'
import { Registry, secureRandom, silentLog, stopAll, systemClock } from '../../../src/base/index.ts'
import type { Libp2pHost, Protocol } from '../../../src/net/index.ts'
import { gossipService, Pubsub, pubsubConfig, pubsubMetrics } from '../../../src/pubsub/index.ts'
import { testHost } from '../../support/testnet.ts'
import { heapMb } from '../heap-mb.ts'
import { atLeast, atMost, outcomeOf } from '../outcome.ts'
import type { RunOptions, Scenario } from '../scenario.ts'

const SUBSCRIPTIONS = 349_525
const PATIENCE_MS = 20_000
const HEAP_MB_MAX = 4
const TOPIC = 'honest'
const MESHSUB: Protocol = {
  id: '/meshsub/1.1.0',
  framing: 'varint',
  frameBytesMax: 8 * 1_024 * 1_024,
  inboundMax: 8,
  outboundMax: 8,
}

export const scenario: Scenario = {
  name: 'flood-topics',
  summary: 'One peer sends frames of 349,525 subscriptions; --nodes is how many frames',
  tier: () => 'A',
  defaults: { nodes: 17, adversaries: 0 },
  run,
}

async function run({ nodes: frames, log }: RunOptions) {
  const floods = [shortFlood(), longFlood()]
  const victim = await member()
  const honest = await member()
  const flooder = await testHost({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  try {
    await flooder.start()
    const address = victim.host.addresses()[0] ?? ''
    await honest.host.connect(address)
    await flooder.connect(address)
    await exchange(victim, honest, 'before')
    const before = heapMb()
    log(`heap ${before} MiB before`)
    const most = await sendAll(flooder, victim, { floods, frames })
    const after = heapMb()
    const isHeard = await listensTo(victim, flooder)
    await exchange(victim, honest, 'after')
    const refused = await refusals(victim)
    log(`heap ${after} MiB after, ${most} at most; refused ${JSON.stringify(refused)}`)
    const delivered = victim.heard.length + honest.heard.length
    const ended = (refused.frame ?? 0) + (refused.oversize ?? 0) + (refused.unheard ?? 0)
    return outcomeOf(
      {
        eventHash: createHash('sha256')
          .update(JSON.stringify([delivered, frames]))
          .digest('hex'),
        delivered,
        expected: 4,
        oracles: {},
        extra: {
          frames,
          subscriptions: SUBSCRIPTIONS,
          heapMbBefore: before,
          heapMbAfter: after,
          heapMbMax: most,
          ...Object.fromEntries(
            Object.entries(refused).map(([reason, count]) => [`refused_${reason}`, count]),
          ),
          senderState: isHeard ? 'heard' : 'unheard',
        },
      },
      [
        atMost('MiB of heap that came', Math.max(most, after) - before, HEAP_MB_MAX),
        atLeast('frames refused', ended, frames),
        atLeast('messages of the honest', delivered, 4),
        { holds: !isHeard, says: 'the flooder is still heard' },
      ],
    )
  } finally {
    await stopAll([flooder, ...honest.services, ...victim.services])
  }
}

interface Member {
  readonly host: Libp2pHost
  readonly pubsub: Pubsub
  readonly services: readonly (Libp2pHost | Pubsub)[]
  readonly registry: Registry
  /** What it heard on the topic. */
  readonly heard: unknown[]
}

async function member(): Promise<Member> {
  const registry = new Registry()
  const config = pubsubConfig.parse({})
  const metrics = pubsubMetrics(registry)
  const room = { policy: { admit() {} }, log: silentLog, metrics, clock: systemClock }
  const gossip = await gossipService(room, config)
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const host = await testHost({ listen, deps: { services: { pubsub: gossip.service } } })
  const pubsub = new Pubsub({ ...room, gossip, network: 'main', random: secureRandom }, config)
  for (const service of [host, pubsub]) await service.start()
  const heard: unknown[] = []
  const reader = pubsub.subscribe(TOPIC)
  void (async () => {
    for await (const { value } of reader) heard.push(value)
  })()
  return { host, pubsub, services: [host, pubsub], registry, heard }
}

/** Each tells the other something, and it arrives. */
async function exchange(a: Member, b: Member, what: string): Promise<void> {
  const had = a.heard.length + b.heard.length
  for (const one of [a, b]) await one.pubsub.publish(TOPIC, what, { waitForMeshMs: PATIENCE_MS })
  await until(async () => a.heard.length + b.heard.length >= had + 2)
}

/** The most heap that was in use after any of the frames. */
async function sendAll(
  flooder: Libp2pHost,
  victim: Member,
  { floods, frames }: { floods: readonly Uint8Array[]; frames: number },
): Promise<number> {
  let most = 0
  for (let i = 0; i < frames; i += 1) {
    const before = await endedFrames(victim)
    const channel = await flooder.open(victim.host.self, MESHSUB)
    await channel.write(floods[i % floods.length] ?? new Uint8Array()).catch(() => undefined)
    await until(async () => (await endedFrames(victim)) > before)
    channel.abort(new Error('the next one has a stream of its own'))
    most = Math.max(most, heapMb())
  }
  return most
}

/** Whether the flooder, when it says something harmless, is taken for a subscriber. */
async function listensTo(victim: Member, flooder: Libp2pHost): Promise<boolean> {
  const before = victim.pubsub.topics().find(({ topic }) => topic === TOPIC)?.peers
  const channel = await flooder.open(victim.host.self, MESHSUB)
  const unheard = (await refusals(victim)).unheard ?? 0
  const subscriptions = [{ subscribe: true, topic: TOPIC }]
  await channel.write(RPC.encode({ subscriptions, messages: [] }))
  await until(async () => {
    const now = victim.pubsub.topics().find(({ topic }) => topic === TOPIC)?.peers
    return now !== before || ((await refusals(victim)).unheard ?? 0) > unheard
  })
  return victim.pubsub.topics().find(({ topic }) => topic === TOPIC)?.peers !== before
}

const REASONS = ['frame', 'oversize', 'unheard', 'topics', 'frames', 'stream'] as const

async function refusals({ registry }: Member): Promise<Partial<Record<string, number>>> {
  const counts = REASONS.map(async (reason) => {
    return [reason, await registry.total('p2p_pubsub_refusals', { reason })] as const
  })
  return Object.fromEntries(await Promise.all(counts))
}

async function endedFrames(victim: Member): Promise<number> {
  const { frame = 0, oversize = 0, unheard = 0, stream = 0 } = await refusals(victim)
  return frame + oversize + unheard + stream
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error('what was waited for did not come')
    await wait(5)
  }
}

/** As short as a subscription can be: 0.7 MiB. */
function shortFlood(): Uint8Array {
  const flood = new Uint8Array(SUBSCRIPTIONS * 2)
  for (let at = 0; at < flood.length; at += 2) flood[at] = 0x0a
  return flood
}

/** With names of six characters: 4 MiB. */
function longFlood(): Uint8Array {
  const names = Array.from({ length: SUBSCRIPTIONS }, (_, i) => i.toString(36).padStart(6, '0'))
  const subscriptions = names.map((topic) => ({ subscribe: true, topic }))
  return RPC.encode({ subscriptions, messages: [] })
}
