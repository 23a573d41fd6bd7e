/**
 * Special-purpose addresses: how far an address reaches.
 *
 * Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190), the IANA
 * IPv6 address space (only 2000::/3 is assigned to global unicast), and the documents named in each
 * row. The longest matching prefix decides. An address that carries IPv4 reaches as far as the
 * narrowest address inside it: a 6to4 address of 10.0.0.1 is private, one of 192.88.1.1 is global.
 */

import { RecentMap } from '../base/index.ts'
import { embeddedIPv4, type IpAddress, parseIp } from './address.ts'
import { contains, type IpPrefix, parsePrefix } from './prefix.ts'

/** From the narrowest to the widest; `special` is nobody's address to connect to. */
export const SCOPES = ['special', 'loopback', 'link', 'private', 'global'] as const
export type Scope = (typeof SCOPES)[number]

/** How far the address in `text` reaches. Carrier-grade NAT (100.64.0.0/10) is private. */
export function scopeOf(text: string): Scope {
  const known = scopes.get(text)
  if (known !== undefined) return known.scope
  const scope = scopeOfAddress(parseIp(text))
  scopes.set(text, { scope })
  return scope
}

/** Every address that a peer tells of is asked about several times. */
const scopes = new RecentMap<string, { readonly scope: Scope }>(4_096)

function scopeOfAddress(address: IpAddress): Scope {
  const inside = embeddedIPv4(address).map((embedded) => SCOPES.indexOf(scopeOfAddress(embedded)))
  if (inside.length > 0) return SCOPES[Math.min(...inside)] ?? 'special'
  return RANGES.find(({ prefix }) => contains(prefix, address))?.scope ?? 'special'
}

const TABLE: readonly (readonly [prefix: string, scope: Scope, source: string])[] = [
  ['0.0.0.0/0', 'global', 'IPv4 unicast'],
  ['0.0.0.0/8', 'special', 'this network, RFC 791 §3.2'],
  ['10.0.0.0/8', 'private', 'RFC 1918'],
  ['100.64.0.0/10', 'private', 'shared by carrier-grade NAT, RFC 6598'],
  ['127.0.0.0/8', 'loopback', 'RFC 1122 §3.2.1.3'],
  ['169.254.0.0/16', 'link', 'RFC 3927'],
  ['172.16.0.0/12', 'private', 'RFC 1918'],
  ['192.0.0.0/24', 'special', 'IETF protocol assignments, RFC 6890 §2.1'],
  ['192.0.0.9/32', 'global', 'PCP anycast, RFC 7723'],
  ['192.0.0.10/32', 'global', 'TURN anycast, RFC 8155'],
  ['192.0.2.0/24', 'special', 'documentation, RFC 5737'],
  ['192.88.99.0/24', 'special', '6to4 relay anycast, withdrawn by RFC 7526'],
  ['192.168.0.0/16', 'private', 'RFC 1918'],
  ['198.18.0.0/15', 'special', 'benchmarking, RFC 2544'],
  ['198.51.100.0/24', 'special', 'documentation, RFC 5737'],
  ['203.0.113.0/24', 'special', 'documentation, RFC 5737'],
  ['224.0.0.0/4', 'special', 'multicast, RFC 5771'],
  ['240.0.0.0/4', 'special', 'reserved, RFC 1112 §4, and broadcast, RFC 919 §7'],

  ['::/0', 'special', 'not assigned, RFC 4291 §2.4'],
  ['::1/128', 'loopback', 'RFC 4291 §2.5.3'],
  ['64:ff9b:1::/48', 'private', 'local translation, RFC 8215'],
  ['2000::/3', 'global', 'global unicast, RFC 4291 §2.4'],
  ['2001::/23', 'special', 'IETF protocol assignments, RFC 2928'],
  ['2001:1::1/128', 'global', 'PCP anycast, RFC 7723'],
  ['2001:1::2/128', 'global', 'TURN anycast, RFC 8155'],
  ['2001:1::3/128', 'global', 'DNS-SD registration anycast, RFC 9665'],
  ['2001:3::/32', 'global', 'automatic multicast tunneling, RFC 7450'],
  ['2001:4:112::/48', 'global', 'AS112, RFC 7535'],
  ['2001:db8::/32', 'special', 'documentation, RFC 3849'],
  ['3fff::/20', 'special', 'documentation, RFC 9637'],
  ['fc00::/7', 'private', 'unique local, RFC 4193'],
  ['fe80::/10', 'link', 'RFC 4291 §2.5.6'],
  ['fec0::/10', 'private', 'site-local of old, RFC 3879'],
  ['ff00::/8', 'special', 'multicast, RFC 4291 §2.7'],
]

const RANGES: readonly { readonly prefix: IpPrefix; readonly scope: Scope }[] = TABLE.map(
  ([prefix, scope]) => ({ prefix: parsePrefix(prefix), scope }),
).sort((a, b) => b.prefix.bits - a.prefix.bits)
