/**
 * Parts of a node that a program brings itself, in place of ours. Whoever brings a part starts and
 * stops it; the node only uses it.
 */

import { hasCode } from '../base/index.ts'
import type { Dht } from '../dht/index.ts'
import { type PeerId, peerId, type Signer } from '../identity/index.ts'
import type { Host, OpenUdp, TransportFactory } from '../net/index.ts'
import type { Codec } from '../pubsub/index.ts'
import { connectAny, dialTargets } from './spoken-address.ts'
import { UseError } from './use-errors.ts'

/** What a node asks of a DHT: records with their publisher, and who provides a name. */
export type NodeDht = Pick<
  Dht,
  'put' | 'get' | 'provide' | 'unprovide' | 'findProviders' | 'findPeer'
>

/** The public half of an Ed25519 key (32 bytes), and whoever signs with the other half. */
export type InjectedSigner = Pick<Signer, 'publicKey' | 'sign'>

/** All of it has a default: leave out what you do not replace. */
export interface Injected {
  /** libp2p transports in place of QUIC and TCP; listen on addresses that they speak. */
  readonly transports?: readonly TransportFactory[]
  /** UDP in place of the system's, for the datagrams of the DHT. */
  readonly udp?: OpenUdp
  /** Finds tools, records and peers in place of the DHT, also where the preset has none. */
  readonly dht?: NodeDht
  /**
   * Who this node is, where the key is kept elsewhere, as by a key agent: it is asked for each
   * signature. No key file is made or read. QUIC needs the key itself and is then unavailable.
   */
  readonly signer?: InjectedSigner
  /** How values on topics become bytes, where a topic has no codec of its own. */
  readonly codec?: Codec
}

/** Throws `NODE_INJECTED_INVALID` for a part that lacks something that the node will call. */
export function checkInjected(injected: Injected): void {
  if (Object(injected) !== injected) {
    const [what, found] = ['parts', shown(injected)]
    throw UseError.INJECTED_INVALID({ what, found, wanted: `an object with ${PARTS}` })
  }
  const { transports, udp, dht, signer, codec, ...unknown } = injected
  const [other] = Object.keys(unknown)
  if (other !== undefined) {
    throw UseError.INJECTED_INVALID({ what: 'parts', found: `"${other}"`, wanted: PARTS })
  }
  if (transports !== undefined) {
    const wanted = 'a list of functions that make libp2p transports'
    const found = !Array.isArray(transports)
      ? typeof transports
      : transports.length === 0
        ? 'an empty list'
        : undefined
    if (found !== undefined) {
      throw UseError.INJECTED_INVALID({ what: 'transports', found, wanted })
    }
    for (const make of transports) checkFunction('transports', make, wanted)
  }
  if (udp !== undefined) checkFunction('udp', udp, 'a function that opens a UDP port')
  if (dht !== undefined) checkMethods('dht', dht, DHT_METHODS)
  if (signer !== undefined) checkMethods('signer', signer, ['sign'])
  if (codec !== undefined) checkMethods('codec', codec, ['encode', 'decode'])
}

/** Connects to a peer id, a multiaddr or words; a DHT that was brought says where a peer is. */
export async function reach(
  target: string,
  parts: { readonly host: Host; readonly ownDht: Dht | null; readonly dht: NodeDht | null },
  options: { readonly signal?: AbortSignal },
): Promise<PeerId> {
  const { host, ownDht, dht } = parts
  const [found, ...others] = await dialTargets(target, { host, dht: ownDht }, options)
  if (others.length > 0) return connectAny(target, [found, ...others], host, options)
  if (ownDht === null && dht !== null && !found.startsWith('/')) {
    const peer = peerId(found)
    const known = await host.addressesOf(peer)
    if (known.length === 0) await host.learn(peer, await dht.findPeer(peer, options), host.self)
  }
  // What we know of it may be a guess from where it spoke; relays are looked for meanwhile.
  const known = found.startsWith('/') ? [] : await host.addressesOf(peerId(found))
  if (ownDht !== null && !found.startsWith('/')) void lookAgain(peerId(found), { host, ownDht })
  try {
    return await host.connect(found, options)
  } catch (error) {
    if (dht === null || found.startsWith('/') || !hasCode(error, 'NET_CONNECT_FAILED')) throw error
    // What we were told of it may be a liar's word: others are asked before it is given up.
    const peer = peerId(found)
    const told = await dht.findPeer(peer, { ...options, afresh: true })
    if (ownDht === null) await host.learn(peer, told, host.self)
    if (told.every((address) => known.includes(address))) throw error
    return host.connect(found, options)
  }
}

/** For a peer that we are not connected to, and know no relay of. */
async function lookAgain(
  peer: PeerId,
  { host, ownDht }: { readonly host: Host; readonly ownDht: Dht },
): Promise<void> {
  try {
    if (host.connections().some((one) => one.peer === peer)) return
    const known = await host.addressesOf(peer)
    if (known.length === 0 || known.some((text) => text.includes('/p2p-circuit'))) return
    await ownDht.findPeer(peer, { afresh: true })
  } catch {
    // The dial goes on with what is known, and says so when that does not do.
  }
}

const PARTS = 'transports, udp, dht, signer or codec'

const DHT_METHODS: readonly (keyof NodeDht)[] = [
  'put',
  'get',
  'provide',
  'unprovide',
  'findProviders',
  'findPeer',
]

function checkFunction(what: string, value: unknown, wanted: string): void {
  if (typeof value === 'function') return
  throw UseError.INJECTED_INVALID({ what, found: typeof value, wanted })
}

function checkMethods(what: string, part: unknown, names: readonly string[]): void {
  const isObject = Object(part) === part
  const missing = names.filter((name) => {
    return !isObject || typeof Reflect.get(part as object, name) !== 'function'
  })
  if (missing.length === 0) return
  const found = isObject ? `one without ${missing.join(', ')}` : shown(part)
  const wanted = `an object with the methods ${names.join(', ')}`
  throw UseError.INJECTED_INVALID({ what, found, wanted })
}

function shown(value: unknown): string {
  return value === null ? 'null' : typeof value
}
