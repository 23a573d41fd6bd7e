/** Our own net room with its default limits, its policy and its metrics. */

import { AccessPolicy, accessConfig, accessMetrics } from '../../../src/access/index.ts'
import { Registry, secureRandom, silentLog, systemClock } from '../../../src/base/index.ts'
import { generateKeys } from '../../../src/identity/index.ts'
import {
  type Channel,
  createNet,
  type Libp2pHost,
  netConfig,
  netMetrics,
  type Protocol,
} from '../../../src/net/index.ts'
import { CHUNK_BYTES, type Pipe, type Stack, type Transport } from './stack.ts'

const PROTOCOL: Protocol = {
  id: '/p2p-foundation/bench/1',
  framing: 'varint',
  frameBytesMax: CHUNK_BYTES,
  inboundMax: 64,
  outboundMax: 64,
}

const clock = systemClock
const log = silentLog

export function ours(): Stack {
  return stackOf(['quic', 'tcp'], { listen: [] }, {})
}

/** QUIC alone, with one port for listening and dialling at both ends. */
export function hub(): Stack {
  const hubbed = { hub: 'always' }
  return stackOf(['quic'], { listen: ['/ip4/0.0.0.0/udp/0/quic-v1'], ...hubbed }, hubbed)
}

function stackOf(has: readonly Transport[], dials: object, listens: object): Stack {
  let dialling: Promise<Libp2pHost> | undefined
  function started(): Promise<Libp2pHost> {
    dialling ??= startHost(dials)
    return dialling
  }
  return {
    async listen({ host, transports, crowd }, serve) {
      const ours = transports.filter((transport) => has.includes(transport))
      const listen = ours.map((transport) => addressOf(host, transport))
      const room = crowd === undefined ? {} : roomFor(crowd)
      const node = await startHost({ listen, ...listens, ...room })
      await node.handle(PROTOCOL, async (channel) => {
        const pipe = pipeOf(channel)
        serve(pipe)
        await pipe.ended
      })
      const found = (part: string) => node.addresses().find((one) => one.includes(part)) ?? ''
      const parts = { quic: '/quic-v1', tcp: '/tcp/' }
      return Object.fromEntries(ours.map((transport) => [transport, found(parts[transport])]))
    },

    ready: started,

    async dial(address) {
      const node = await started()
      const peer = await node.connect(address)
      return {
        open: async () => pipeOf(await node.open(peer, PROTOCOL)),
        close: () => node.disconnect(peer),
      }
    },
  }
}

async function startHost(config: object): Promise<Libp2pHost> {
  const registry = new Registry()
  const policy = new AccessPolicy(
    { clock, log, metrics: accessMetrics(registry) },
    accessConfig.parse({}),
  )
  const host = await createNet(
    {
      keys: generateKeys(secureRandom),
      policy,
      clock,
      log,
      metrics: netMetrics(registry),
      agent: 'p2p-foundation/bench',
    },
    netConfig.parse(config),
  )
  await host.start()
  return host
}

/**
 * Everybody in a crowd comes from one address here, which no default allows; within a second a
 * quarter of those come in that may be pending.
 */
function roomFor(crowd: number) {
  return {
    connectionsPerHostMax: crowd,
    connectionsPerSiteMax: crowd,
    pendingMax: 4 * crowd,
    pendingPerHostMax: crowd,
    pendingPerSiteMax: crowd,
    inboundPerSecondMax: crowd,
  }
}

function addressOf(host: string, transport: Transport): string {
  return transport === 'quic' ? `/ip4/${host}/udp/0/quic-v1` : `/ip4/${host}/tcp/0`
}

function pipeOf(channel: Channel): Pipe & { readonly ended: Promise<void> } {
  const ended = Promise.withResolvers<void>()
  return {
    ended: ended.promise,
    write: (bytes) => channel.write(bytes),
    listen(listener) {
      const read = async () => {
        for (;;) {
          const frame = await channel.read()
          if (frame === undefined) return
          listener(frame)
        }
      }
      read().then(ended.resolve, () => ended.resolve())
    },
    close: () => void channel.close(),
  }
}
