/** Addresses of this node as words, and what a person may type to name another one. */

import type { Dht } from '../dht/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { endpointToWords, type Scope, scopeOf, wordsToEndpoint } from '../ip/index.ts'
import { type Host, parseMultiaddr } from '../net/index.ts'

/** What others can reach is said before what only this machine can. */
const ORDER: readonly Scope[] = ['global', 'private', 'loopback']

/**
 * The words of the TCP address that reaches farthest; IPv4 first, for its words are three. Words
 * do not say the transport, and who reads them back takes them for TCP.
 */
export async function bestWords(addresses: readonly string[]): Promise<string | null> {
  const endpoints = addresses.flatMap((address) => {
    const [, version, ip, port] = /^\/(ip4|ip6)\/([^/]+)\/tcp\/(\d+)/.exec(address) ?? []
    if (version === undefined || ip === undefined || port === undefined) return []
    const rank = ORDER.indexOf(scopeOf(ip)) * 2 + Number(version === 'ip6')
    return [{ ip, port: Number(port), rank }]
  })
  const reachable = endpoints.filter(({ rank }) => rank >= 0)
  const [best] = reachable.sort((a, b) => a.rank - b.rank)
  return best === undefined ? null : endpointToWords(best)
}

/**
 * A multiaddr as it is; three or nine words as the TCP address that they say; anything else must
 * be a peer id, whose addresses are looked for when we know none.
 */
export async function dialTarget(
  target: string,
  { host, dht }: { readonly host: Pick<Host, 'addressesOf'>; readonly dht: Dht | null },
  options: { readonly signal?: AbortSignal },
): Promise<PeerId | string> {
  if (target.startsWith('/')) {
    parseMultiaddr(target)
    return target
  }
  if (/\s/.test(target.trim())) {
    const { ip, port } = await wordsToEndpoint(target)
    return `/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/tcp/${port}`
  }
  const peer = peerId(target)
  if (dht !== null && (await host.addressesOf(peer)).length === 0) await dht.findPeer(peer, options)
  return peer
}
