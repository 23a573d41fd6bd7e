/**
 * A plain js-libp2p peer, with none of our code, that takes the questions of `go/main.go`: one JSON
 * object a line on stdin, one answer a line on stdout. It ends with stdin.
 */

import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { noise } from '@chainsafe/libp2p-noise'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as digests from 'multiformats/hashes/digest'

interface Asked {
  readonly id: number
  readonly op: string
  readonly addr?: string
  readonly peer?: string
  readonly key?: string
  readonly value?: string
  readonly topic?: string
  readonly data?: string
}

type Answer = Readonly<Record<string, unknown>>

const OP_MS = 30_000
const text = { type: 'string' } as const
const flags = { listen: text, security: text, kad: text, relay: text, private: text }
const { values } = parseArgs({ options: flags })
const listen = (values.listen ?? '').split(',').filter((one) => one !== '')

const node = await createLibp2p({
  addresses: { listen },
  transports: [quic(), tcp(), circuitRelayTransport()],
  connectionEncrypters: [values.security === 'tls' ? tls() : noise()],
  streamMuxers: [yamux()],
  connectionGater: { denyDialMultiaddr: () => false },
  services: {
    identify: identify({ runOnLimitedConnection: true }),
    ping: ping({ runOnLimitedConnection: true, maxInboundStreams: 8, maxOutboundStreams: 8 }),
    gossip: gossipsub({ floodPublish: true, allowPublishToZeroTopicPeers: true }),
    ...(values.relay === 'true' ? { relay: circuitRelayServer() } : {}),
    dht: kadDHT({
      protocol: `${values.kad ?? '/p2p'}/kad/1.0.0`,
      clientMode: false,
      peerInfoMapper: passthroughMapper,
      validators: { data: async () => undefined },
      selectors: { data: () => 0 },
    }),
  },
})

/** Listening at a relay that is met later is for libp2p's own parts alone. */
interface Inside {
  readonly components: {
    readonly transportManager: { listen(addresses: readonly Multiaddr[]): Promise<void> }
  }
}

const inside = (node as unknown as Inside).components
const say = (what: Answer) => process.stdout.write(`${JSON.stringify(what)}\n`)
const addresses = () => node.getMultiaddrs().map(String)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytesOf = (digits = '') => Uint8Array.from(Buffer.from(digits, 'hex'))
const cidOf = (key = '') => CID.createV1(raw.code, digests.decode(bytesOf(key)))
const within = () => ({ signal: AbortSignal.timeout(OP_MS) })

const operations: Readonly<Record<string, (asked: Asked) => Promise<Answer>>> = {
  addresses: async () => ({ addresses: addresses() }),
  dial: async ({ addr = '' }) => {
    const connection = await node.dial(multiaddr(addr), within())
    return { peer: connection.remotePeer.toString() }
  },
  reserve: async ({ addr = '' }) => {
    const circuit = `${addr}/p2p-circuit`
    await inside.transportManager.listen([multiaddr(circuit)])
    return { address: `${circuit}/p2p/${node.peerId.toString()}` }
  },
  ping: async ({ peer = '' }) => ({
    ms: await node.services.ping.ping(peerIdFromString(peer), within()),
  }),
  identify: async ({ peer = '' }) => {
    const known = await node.peerStore.get(peerIdFromString(peer))
    const agent = known.metadata.get('AgentVersion')
    return {
      agent: agent === undefined ? '' : new TextDecoder().decode(agent),
      protocols: known.protocols,
      addresses: known.addresses.map((one) => one.multiaddr.toString()),
    }
  },
  paths: async ({ peer = '' }) => ({
    paths: node.getConnections(peerIdFromString(peer)).map((one) => ({
      address: one.remoteAddr.toString(),
      limited: one.limits !== undefined,
      seconds: one.limits?.seconds,
      bytes: one.limits?.bytes === undefined ? undefined : Number(one.limits.bytes),
      security: one.encryption,
      muxer: one.multiplexer,
      inbound: one.direction === 'inbound',
    })),
  }),
  close: async ({ peer = '' }) => {
    await node.hangUp(peerIdFromString(peer))
    return {}
  },
  findNode: async ({ peer = '' }) => {
    const found = await node.peerRouting.findPeer(peerIdFromString(peer), within())
    return { addresses: found.multiaddrs.map(String) }
  },
  get: async ({ key = '' }) => {
    const value = await node.contentRouting.get(new TextEncoder().encode(key), within())
    return { value: hex(value) }
  },
  put: async ({ key = '', value }) => {
    let taken = false
    const name = new TextEncoder().encode(key)
    for await (const event of node.services.dht.put(name, bytesOf(value), within())) {
      if (event.name !== 'PEER_RESPONSE' || event.messageName !== 'PUT_VALUE') continue
      taken ||= event.record !== undefined
    }
    if (!taken) throw new Error('nobody took it')
    return {}
  },
  provide: async ({ key }) => {
    await node.contentRouting.provide(cidOf(key), within())
    return {}
  },
  providers: async ({ key }) => {
    for await (const one of node.contentRouting.findProviders(cidOf(key), within())) {
      return { providers: [one.id.toString()] }
    }
    return { providers: [] }
  },
  subscribe: async ({ topic = '' }) => {
    node.services.gossip.subscribe(topic)
    return {}
  },
  publish: async ({ topic = '', data }) => {
    await node.services.gossip.publish(topic, bytesOf(data))
    return {}
  },
}

node.services.gossip.addEventListener('message', ({ detail }) => {
  const from = detail.type === 'signed' ? detail.from.toString() : undefined
  say({ event: 'message', topic: detail.topic, from, data: hex(detail.data) })
})
say({ event: 'ready', peerId: node.peerId.toString(), addresses: addresses() })
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line) as Asked
  const work = operations[asked.op] ?? (() => Promise.reject(new Error(`no op "${asked.op}"`)))
  work(asked).then(
    (found) => say({ ...found, id: asked.id, ok: true }),
    (error: unknown) => say({ id: asked.id, ok: false, error: String(error) }),
  )
}
process.exit(0)
