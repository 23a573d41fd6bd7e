/** Addresses of this node as words, and what a person may type to name another one. */

import { hasCode } from '../base/index.ts'
import type { Dht } from '../dht/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { endpointToWords, type Scope, scopeOf, wordsToEndpoint } from '../ip/index.ts'
import { type Attempt, type Host, NetError, parseMultiaddr } from '../net/index.ts'

/** What others can reach is said before what only this machine can. */
const ORDER: readonly Scope[] = ['global', 'private', 'loopback']

const DIRECT = /^\/(ip4|ip6)\/([^/]+)\/(?:(tcp)\/(\d+)|udp\/(\d+)\/quic-v1)(?:\/p2p\/[^/]+)?$/

/**
 * The words of the address that reaches farthest; IPv4 first, for its words are three, and TCP
 * before QUIC. Words do not say the transport: who reads them back tries both at that port.
 */
export async function bestWords(addresses: readonly string[]): Promise<string | null> {
  const own = addresses.filter((address) => !address.includes('/p2p-circuit'))
  const endpoints = own.flatMap((address) => {
    const [, version, ip, isTcp, tcp, udp] = DIRECT.exec(address) ?? []
    if (version === undefined || ip === undefined) return []
    const scope = ORDER.indexOf(scopeOf(ip))
    const rank = scope * 4 + Number(version === 'ip6') * 2 + Number(isTcp === undefined)
    return scope < 0 ? [] : [{ ip, port: Number(tcp ?? udp), rank }]
  })
  const [best] = endpoints.sort((a, b) => a.rank - b.rank)
  return best === undefined ? null : endpointToWords(best)
}

/**
 * What to dial for what a person typed: a multiaddr as it is; words, with `/p2p/<peer id>` after
 * them where the peer is known, as the TCP and the QUIC address that they say; anything else must
 * be a peer id, whose addresses are looked for when we know none.
 */
export async function dialTargets(
  target: string,
  { host, dht }: { readonly host: Pick<Host, 'addressesOf'>; readonly dht: Dht | null },
  options: { readonly signal?: AbortSignal },
): Promise<readonly [PeerId | string, ...string[]]> {
  if (target.startsWith('/')) {
    parseMultiaddr(target)
    return [target]
  }
  const [words = '', expected, ...more] = target.trim().split('/p2p/')
  if (/[\s.-]/.test(words) && more.length === 0) {
    const { ip, port } = await wordsToEndpoint(words)
    const at = `/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}`
    const whose = expected === undefined ? '' : `/p2p/${peerId(expected)}`
    return [`${at}/tcp/${port}${whose}`, `${at}/udp/${port}/quic-v1${whose}`]
  }
  const peer = peerId(target)
  if (dht !== null && (await host.addressesOf(peer)).length === 0) await dht.findPeer(peer, options)
  return [peer]
}

/** Connects to whoever answers first at one of the addresses; says what became of each if none. */
export async function connectAny(
  target: string,
  addresses: readonly string[],
  host: Pick<Host, 'connect'>,
  options: { readonly signal?: AbortSignal },
): Promise<PeerId> {
  try {
    return await Promise.any(addresses.map((address) => host.connect(address, options)))
  } catch (error) {
    options.signal?.throwIfAborted()
    const failures: readonly unknown[] = error instanceof AggregateError ? error.errors : [error]
    const tried = failures.flatMap((failure, i) => attemptsOf(failure, addresses[i] ?? ''))
    throw NetError.CONNECT_FAILED({ target: target.trim(), tried }, error)
  }
}

function attemptsOf(failure: unknown, address: string): readonly Attempt[] {
  if (hasCode(failure, 'NET_CONNECT_FAILED')) {
    return (failure.facts as { readonly tried: readonly Attempt[] }).tried
  }
  return [{ address, reason: failure instanceof Error ? failure.message : String(failure) }]
}
