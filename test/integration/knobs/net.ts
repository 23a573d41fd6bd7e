/** What the knobs of `[network]` and `[resources]` change, as far as they are those of `net`. */

import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, ConnectionGater, MultiaddrConnection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { AbstractStream, type SendResult } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { Registry, silentLog } from '../../../src/base/index.ts'
import type { PeerId } from '../../../src/identity/index.ts'
import { Bandwidth } from '../../../src/net/bandwidth.ts'
import { StreamChannel } from '../../../src/net/channel.ts'
import { Dialler } from '../../../src/net/dialler.ts'
import { connectionGater } from '../../../src/net/gater.ts'
import { type Libp2pHost, netMetrics, type Protocol } from '../../../src/net/index.ts'
import { libp2pLogger } from '../../../src/net/libp2p-log.ts'
import { loadQuic } from '../../../src/net/quic.ts'
import type { loadAddon } from '../../../src/net/quic-addon.ts'
import { ConnectionAccount, StreamAccount } from '../../../src/net/resource-accounts.ts'
import { ResourceManager } from '../../../src/net/resource-manager.ts'
import { Resources } from '../../../src/net/resources.ts'
import type { NodeConfig } from '../../../src/node/index.ts'
import { signerOf } from '../../support/dht-fixture.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { testHost } from '../../support/testnet.ts'
import {
  NotingClock,
  type Observations,
  type Observe,
  outcome,
  quiet,
  timeOf,
} from './observation.ts'

const [SELF, PEER] = [signerOf(1).peer, signerOf(2).peer]
const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']

/** Which limit refuses the last of many connections, and how many it let in. */
function entered(addresses: readonly string[], encrypted: boolean): Observe {
  return ({ net }, made) => {
    let refused = ''
    const known: PeerId[] = []
    const clock = new FakeClock()
    const own = { clock, log: silentLog, metrics: netMetrics(new Registry()) }
    const gater = connectionGater(
      {
        self: SELF,
        policy: { admit: () => undefined },
        clock,
        log: silentLog,
        resources: new Resources(own, net).hooks,
        metrics: {
          refusals: {
            add(_, { reason = '' } = {}) {
              refused = reason
            },
          },
        },
        spoke: () => true,
        connectionsOf: () => known.length,
        scopeOfPeer: () => undefined,
      },
      net,
    )
    made()
    let count = 0
    for (const address of addresses) {
      if (!enter(gater, incoming(address), encrypted)) break
      known.push(PEER)
      count += 1
    }
    return { count, refused }
  }
}

function enter(gater: ConnectionGater, connection: MultiaddrConnection, encrypted: boolean) {
  if (gater.denyInboundConnection?.(connection) === true) return false
  if (!encrypted) return true
  return gater.denyInboundEncryptedConnection?.(peerIdFromString(PEER), connection) === false
}

function incoming(address: string): MultiaddrConnection {
  const line = { direction: 'inbound', onData: () => undefined, abort: () => undefined }
  const fake = { remoteAddr: multiaddr(address), status: 'open', ...line }
  return Object.assign(new EventTarget(), fake) as unknown as MultiaddrConnection
}

/** Different ports of one host, hosts of one site, or sites. */
const ofHost = Array.from({ length: 70 }, (_, i) => `/ip4/10.0.0.1/tcp/${i + 1}`)
const ofSite = Array.from({ length: 300 }, (_, i) => {
  return `/ip6/2001:db8:1:${((i >> 1) * 256).toString(16)}::1/tcp/${i + 1}`
})
const ofSites = Array.from({ length: 300 }, (_, i) => `/ip4/10.${i % 256}.${i >> 8}.1/tcp/1`)

/** A dialler that knows peers at many addresses where nobody ever answers. */
function dialler({ net }: NodeConfig) {
  const clock = new FakeClock()
  const dialled: string[] = []
  const addresses = Array.from({ length: 40 }, (_, i) => `/ip4/9.9.9.9/tcp/${i + 1}`)
  const made = new Dialler(
    {
      libp2p: {
        dial: (target, { signal }) => {
          dialled.push(String(target))
          return new Promise<Connection>((_, reject) => {
            signal.addEventListener('abort', () => reject(new TypeError('given up')))
          })
        },
      },
      names: { texts: async () => [], addresses: async () => [] },
      clock,
      metrics: netMetrics(new Registry()),
      addresses: { of: async () => addresses, connectionsOf: () => [] },
    },
    net,
  )
  return { dialler: made, clock, dialled }
}

/** How long a connect to a silent peer takes, and how many addresses it gets to. */
const connectTime: Observe = async (config) => {
  const { dialler: net, clock, dialled } = dialler(config)
  const ms = await timeOf(clock, net.connect(PEER), { stepMs: 250, maxMs: 600_000 })
  return { ms, dialled: dialled.length }
}

/** Of a thousand connects: how many dial at once, and how many are refused. */
const dialsAtOnce: Observe = async (config) => {
  const { dialler: net, dialled } = dialler(config)
  let refused = 0
  for (let i = 0; i < 1_000; i += 1) {
    net.connect(`/ip4/9.9.9.9/tcp/${i + 1}`).catch(() => {
      refused += 1
    })
  }
  await quiet()
  const found = { dialled: dialled.length, refused }
  net.stop()
  return found
}

/** A stream whose other side takes nothing and says nothing. */
class DeafStream extends AbstractStream {
  constructor() {
    super({ id: '1', log: libp2pLogger(silentLog).forComponent('test'), direction: 'outbound' })
  }

  override sendData(data: Parameters<AbstractStream['sendData']>[0]): SendResult {
    return { sentBytes: data.byteLength, canSendMore: false }
  }
  override sendReset(): void {}
  override async sendCloseWrite(): Promise<void> {}
  override async sendCloseRead(): Promise<void> {}
  override sendPause(): void {}
  override sendResume(): void {}
}

const PROTOCOL: Protocol = {
  id: '/test/1.0.0',
  framing: 'varint',
  frameBytesMax: 1_048_576,
  inboundMax: 64,
  outboundMax: 64,
}

function channel({ net }: NodeConfig) {
  const clock = new NotingClock()
  const stream = new DeafStream()
  const made = new StreamChannel({ stream, peer: PEER, protocol: PROTOCOL, clock }, net)
  return { channel: made, clock, stream }
}

const writeTime: Observe = async (config, made) => {
  const { channel: deaf, clock } = channel(config)
  made()
  return timeOf(clock, deaf.write(new Uint8Array(600_000)), { stepMs: 500, maxMs: 100_000 })
}

/** How long the channel is ready to wait for the end of a stream. */
const farewell: Observe = async (config) => {
  const { channel: deaf, clock, stream } = channel(config)
  void deaf.close().catch(() => undefined)
  await quiet()
  stream.abort(new TypeError('over'))
  await quiet()
  return clock.waits
}

/** Two hosts, real but for their wires, and what is left of them afterwards. */
async function hosts(config: NodeConfig, count: number, listen?: readonly string[]) {
  const all: Libp2pHost[] = []
  const clock = new FakeClock()
  for (let i = 0; i < count; i += 1) {
    const deps = i === 0 && listen === undefined ? { clock } : {}
    const { listen: _, ...net } = config.net
    const host = await testHost({ config: i === 0 ? net : {}, deps, ...(listen && { listen }) })
    await host.start()
    all.push(host)
  }
  const stop = async () => {
    await Promise.all(all.map((host) => host.stop()))
  }
  return { all: all as [Libp2pHost, ...Libp2pHost[]], clock, [Symbol.asyncDispose]: stop }
}

/** How many of three hosts that connect at once to the first one are let in. */
function letIn(listen?: readonly string[]): Observe {
  return async (config) => {
    await using net = await hosts(config, 4, listen)
    const [first, ...others] = net.all
    const [address = ''] = first.addresses()
    for (const other of others) await outcome(() => other.connect(address))
    await wait(200)
    return first.connections().length
  }
}

const spokenKinds: Observe = async ({ net }) => {
  const host = await testHost({ config: net, listen: net.listen ?? [] })
  await host.start()
  const kinds = host
    .addresses()
    .map((address) => address.replace(/\/(tcp|udp)\/\d+|\/p2p\/.*/g, ''))
  await host.stop()
  return kinds.sort()
}

const dialsIpv4: Observe = async ({ net: { listen: _, ...net } }) => {
  const host = await testHost({ config: net, listen: ['/ip6/::1/tcp/0'] })
  const other = await testHost({ listen: LOOPBACK })
  await host.start()
  await other.start()
  const found = await outcome(() => host.connect(other.addresses()[0] ?? ''))
  await Promise.all([host.stop(), other.stop()])
  return found
}

/** Whether an idle TCP connection without a handshake is cut within a second and a half. */
const patience: Observe = async (config) => {
  await using net = await hosts(config, 1, LOOPBACK)
  const port = Number(/tcp\/(\d+)/.exec(String(net.all[0].addresses()))?.[1])
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.resume()
  const cut = new Promise((resolve) => socket.once('close', () => resolve('cut')))
  const found = await Promise.race([cut, wait(1_500, 'waiting')])
  socket.destroy()
  return found
}

/** How long a ping may take: what the clock is asked for. */
const negotiation: Observe = async (config) => {
  const clock = new NotingClock()
  const { listen: _, ...net } = config.net
  const host = await testHost({ config: net, deps: { clock } })
  const other = await testHost()
  await host.start()
  await other.start()
  const [address = ''] = other.addresses()
  const peer = await host.connect(address)
  clock.waits.length = 0
  await host.ping(peer)
  const asked = [...clock.waits]
  await Promise.all([host.stop(), other.stop()])
  return asked
}

/** How many of six channels to one peer can be opened. */
const streams: Observe = async (config) => {
  await using net = await hosts(config, 2)
  const [host, other] = net.all as [Libp2pHost, Libp2pHost]
  await other.handle(PROTOCOL, () => new Promise(() => undefined))
  const [address = ''] = other.addresses()
  const peer = await host.connect(address)
  await wait(300)
  let opened = 0
  for (let i = 0; i < 6; i += 1) {
    if ((await outcome(() => host.open(peer, PROTOCOL))) === 'ok') opened += 1
  }
  return opened
}

/** What is remembered of three peers after ten minutes. */
const remembered: Observe = async (config) => {
  await using net = await hosts(config, 1)
  const [host] = net.all
  const peers = [11, 12, 13].map((seed) => signerOf(seed).peer)
  for (const peer of peers) await host.learn(peer, ['/ip4/9.9.9.9/tcp/4001'], host.self)
  await net.clock.advance(600_000)
  const known = await Promise.all(peers.map((peer) => host.addressesOf(peer)))
  return known.map((addresses) => addresses.length)
}

/** Whether an idle connection falls silent: for three seconds, within seven. */
const pinged: Observe = async (config) => {
  const registry = new Registry()
  const quietLine = { keepAliveMs: 3_600_000 }
  const { listen: _, ...net } = config.net
  const host = await testHost({ config: { ...net, ...quietLine }, registry })
  const other = await testHost({ config: quietLine })
  await host.start()
  await other.start()
  const [address = ''] = other.addresses()
  await host.connect(address)
  const began = performance.now()
  let heard = { bytes: -1, atMs: began }
  while (performance.now() - began < 7_000 && performance.now() - heard.atMs < 3_000) {
    await wait(200)
    const bytes = await bytesOf(registry)
    if (bytes !== heard.bytes) heard = { bytes, atMs: performance.now() }
  }
  const isSilent = performance.now() - heard.atMs >= 3_000
  await Promise.all([host.stop(), other.stop()])
  return isSilent
}

async function bytesOf(registry: Registry): Promise<number> {
  const { body } = await registry.prometheusText()
  const lines = [...body.matchAll(/^p2p_bandwidth_bytes\{.*\} (\d+)/gm)]
  return lines.reduce((sum, [, count]) => sum + Number(count), 0)
}

/** Whether dials over QUIC leave from the port that is listened on. */
const leavesFrom: Observe = async ({ net }) => {
  const listen = ['/ip4/127.0.0.1/udp/0/quic-v1']
  const { hub } = net
  const host = await testHost({ listen, config: { hub } })
  const other = await testHost({ listen })
  await host.start()
  await other.start()
  const [own = ''] = host.addresses()
  const [address = ''] = other.addresses()
  const seen = Promise.withResolvers<boolean>()
  other.events.on('connected', () => {
    seen.resolve(other.connections().some((one) => own.startsWith(`${one.address}/`)))
  })
  await host.connect(address)
  const isOwnPort = await seen.promise
  await Promise.all([host.stop(), other.stop()])
  return isOwnPort
}

/** What the QUIC library is asked for; it keeps these limits in native code, out of our sight. */
const quicLimits: Observe = async ({ net }) => {
  const asked: unknown[] = []
  class QuinnConfig {
    constructor({ privateKeyProto: _, ...settings }: { privateKeyProto: Uint8Array }) {
      asked.push(settings)
    }
  }
  const addon = { QuinnConfig } as unknown as Awaited<ReturnType<typeof loadAddon>>
  const { transport } = await loadQuic(net, new FakeClock(), async () => addon)
  const logger = libp2pLogger(silentLog)
  transport?.({ privateKey: await generateKeyPair('Ed25519'), logger } as never)
  return asked
}

/** How many connections of how many peers have a place. */
const places: Observe = ({ net }, made) => {
  const manager = new ResourceManager(net)
  made()
  let count = 0
  for (; count < 1_100; count += 1) {
    const seat = { host: 'one', idleSinceMs: () => undefined, cut: () => undefined }
    const account = manager.openConnection('inbound', seat)
    if (!(account instanceof ConnectionAccount)) break
    if (manager.prove(account, PEER) !== undefined) break
  }
  return count
}

/** How many bytes may wait in streams of one connection, and of many of one peer. */
const waiting: Observe = ({ net }, made) => {
  const manager = new ResourceManager(net)
  made()
  const bytes = [0, 0, 0, 0, 0, 0].map(() => {
    const seat = { host: 'one', idleSinceMs: () => undefined, cut: () => undefined }
    const account = manager.openConnection('inbound', seat)
    if (!(account instanceof ConnectionAccount)) return 0
    manager.prove(account, PEER)
    const stream = account.openStream('inbound')
    if (!(stream instanceof StreamAccount)) return 0
    stream.agree('/test')
    let held = 0
    while (stream.hold(held + 65_536) === undefined) held += 65_536
    return held
  })
  return { ofOne: bytes[0], ofAll: bytes.reduce((sum, one) => sum + one, 0) }
}

/** Whether a process of 300 MB takes new work. */
const pressed: Observe = ({ net }, made) => {
  const metrics = netMetrics(new Registry())
  const deps = { clock: new FakeClock(), log: silentLog, metrics }
  const resources = new Resources({ ...deps, processBytes: () => 300 * 1_048_576 }, net)
  made()
  resources.look()
  return resources.ailment === null
}

/** How long a megabyte to each of two peers takes. */
const passes: Observe = async ({ net }, made) => {
  const clock = new FakeClock()
  const bandwidth = new Bandwidth(clock, net)
  made()
  const both = ['a', 'b'].map(async (peer) => bandwidth.pass('out', peer, 1_000_000))
  return timeOf(clock, Promise.all(both), { stepMs: 100, maxMs: 60_000 })
}

export const netObservations: Observations = {
  'network.stream_window_bytes': { value: 262_144, observe: quicLimits },
  'network.connection_window_bytes': { value: 262_144, observe: quicLimits },
  'network.idle_timeout': { value: 5, observe: quicLimits },
  'network.keep_alive': { value: 5, observe: quicLimits },
  'network.family': {
    value: 'ip6',
    observe: dialsIpv4,
    beside: { 'network.listen_addresses': ['/ip6/::1/tcp/0'] },
  },
  'network.hub': { value: 'always', observe: leavesFrom },
  'network.listen_addresses': { value: LOOPBACK, observe: spokenKinds },
  'network.announce_addresses': { value: ['/ip4/9.9.9.9/tcp/1'], observe: spokenKinds },
  'network.connections_per_peer_max': { value: 3, observe: entered(ofSites, true) },
  'network.connections_per_host_max': {
    value: 3,
    observe: entered(ofHost, true),
    beside: { 'network.connections_per_peer_max': 900 },
  },
  'network.connections_per_site_max': {
    value: 3,
    observe: entered(ofSite, true),
    beside: { 'network.connections_per_peer_max': 900 },
  },
  'network.pending_max': { value: 3, observe: entered(ofSites, false) },
  'network.pending_per_host_max': { value: 2, observe: entered(ofHost, false) },
  'network.pending_per_site_max': { value: 2, observe: entered(ofSite, false) },
  'network.inbound_per_second_max': { value: 1, observe: letIn(LOOPBACK) },
  'resources.max_connections': { value: 3, observe: places },
  'resources.max_memory_mb': { value: 256, observe: pressed },
  'resources.peer_memory_bytes': { value: 1_048_576, observe: waiting },
  'resources.connection_memory_bytes': { value: 1_048_576, observe: waiting },
  'resources.bandwidth_limit_mbps': { value: 1.5, observe: passes },
  'resources.bandwidth_limit_per_peer_mbps': { value: 1.5, observe: passes },
  'resources.connection_timeout': { value: 7, observe: connectTime },
  'network.address_timeout': { value: 1, observe: connectTime },
  'network.addresses_per_dial_max': { value: 2, observe: connectTime },
  'network.dials_max': { value: 3, observe: dialsAtOnce },
  'network.dials_waiting_max': { value: 3, observe: dialsAtOnce },
  'network.upgrade_timeout': { value: 0.1, observe: patience },
  'network.negotiation_timeout': { value: 3, observe: negotiation },
  'network.close_timeout': { value: 3, observe: farewell },
  'network.linger_timeout': { value: 3, observe: farewell },
  'network.write_stall_timeout': { value: 3, observe: writeTime },
  'network.streams_per_connection_max': { value: 3, observe: streams },
  'network.liveness': { value: 1, observe: pinged },
  'network.peers_max': { value: 2, observe: remembered },
  'network.peer_age_max': { value: 60, observe: remembered },
}
