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
  let dialling: Promise<Libp2pHost> | undefined
  function started(): Promise<Libp2pHost> {
    dialling ??= startHost({ listen: [] })
    return dialling
  }
  return {
    async listen({ host, transports, crowd }, serve) {
      const listen = transports.map((transport) => addressOf(host, transport))
      const node = await startHost({ listen, ...(crowd === undefined ? {} : roomFor(crowd)) })
      await node.handle(PROTOCOL, async (channel) => {
        const pipe = pipeOf(channel)
        serve(pipe)
        await pipe.ended
      })
      const found = (part: string) => node.addresses().find((one) => one.includes(part)) ?? ''
      return { quic: found('/quic-v1'), tcp: found('/tcp/') }
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

/** Everybody in a crowd comes from one address here, which no default allows. */
function roomFor(crowd: number) {
  return {
    connectionsPerHostMax: crowd,
    connectionsPerSiteMax: crowd,
    pendingMax: crowd,
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
