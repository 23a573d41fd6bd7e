/**
 * Connects over TCP or QUIC from chosen addresses, as far as it is told: to the open socket, or
 * through the handshake to a multiplexed connection. Stock libraries, no more than is needed.
 */

import { connect, type Socket } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { MessageStream, MultiaddrConnection } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import type { AbstractMessageStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { silentLog } from '../../src/base/index.ts'
import { libp2pLogger } from '../../src/net/libp2p-log.ts'
import { FAMILY, loadAddon } from '../../src/net/quic-addon.ts'

const TIMEOUT_MS = 10_000

/** TCP whose dials leave from one address: Node takes the option, the library only hands it on. */
function from(localAddress: string) {
  const dialOpts = { localAddress }
  return tcp({ dialOpts: dialOpts as object })
}

/** One libp2p node that dials from `localAddress`; each has a key of its own. */
export function plainNode(localAddress: string) {
  return createLibp2p({
    transports: [from(localAddress)],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { reconnectRetries: 0 },
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
    services: { ping: ping() },
  })
}

/** Goes through the handshake from `localAddress`, with as little work of its own as there is. */
export async function shaker(localAddress: string) {
  const privateKey = await generateKeyPair('Ed25519')
  const logger = libp2pLogger(silentLog)
  // Agreed on with the handshake; nothing of it is ever made.
  const muxers = new Map([['/yamux/1.0.0', { protocol: '/yamux/1.0.0' }]])
  const peerId = peerIdFromPrivateKey(privateKey)
  const own = { privateKey, peerId, logger, upgrader: { getStreamMuxers: () => muxers } }
  const transport = from(localAddress)(own)
  const encrypter = noise()(own as never)
  const upgradeOutbound = async (line: MultiaddrConnection) => {
    await proposed(line, '/noise')
    await encrypter.secureOutbound(line, { signal: inTime() })
    return line
  }
  return async (address: string) => {
    const upgrader = { upgradeOutbound } as never
    const line = await transport.dial(multiaddr(address), { upgrader, signal: inTime() })
    return line
  }
}

const inTime = () => AbortSignal.timeout(TIMEOUT_MS)

/** Proposes one protocol and takes the answer off the line (multistream-select). */
function proposed(line: MessageStream, protocol: string): Promise<void> {
  const words = ['/multistream/1.0.0\n', `${protocol}\n`]
  const bytes = Buffer.concat(words.map((word) => Buffer.from(`\0${word}`)))
  bytes[0] = words[0]?.length ?? 0
  bytes[1 + (words[0]?.length ?? 0)] = words[1]?.length ?? 0
  const inside = line as unknown as AbstractMessageStream
  const deliver = inside.onData.bind(inside)
  return new Promise((resolve, reject) => {
    let waiting = bytes.length
    inside.onData = (data) => {
      const answer = data.subarray()
      const taken = Math.min(waiting, answer.length)
      waiting -= taken
      if (waiting === 0) {
        inside.onData = deliver
        resolve()
      }
      if (taken < answer.length) deliver(answer.subarray(taken))
    }
    line.addEventListener('close', () => reject(new Error('cut off')), { once: true })
    line.send(bytes)
  })
}

/** An open socket that says nothing. */
export function openSocket(host: string, port: number, localAddress: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, localAddress })
    socket.once('connect', () => resolve(socket))
    socket.on('error', reject)
    socket.resume()
  })
}

/** Dials over QUIC, each from a port of its own. */
export async function quicDialler() {
  const addon = await loadAddon()
  const key = await generateKeyPair('Ed25519')
  const settings = new addon.QuinnConfig({
    privateKeyProto: privateKeyToProtobuf(key),
    handshakeTimeout: TIMEOUT_MS,
    maxIdleTimeout: 30_000,
    keepAliveInterval: 10_000,
    maxConcurrentStreamLimit: 64,
    maxStreamData: 65_536,
    maxConnectionData: 262_144,
    receiveBufferSize: 65_536,
    sendBufferSize: 65_536,
  })
  return async (host: string, port: number) => {
    const client = new addon.Client(settings, FAMILY.ip4)
    return { client, connection: await client.outboundConnection(host, port) }
  }
}
