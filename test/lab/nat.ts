/**
 * NATs and firewalls as nftables rules, each named by what RFC 4787 calls its behaviour.
 *
 *   kind                mapping (§4.1)                filtering (§5)
 *   cone                endpoint-independent          endpoint-independent
 *   address-restricted  endpoint-independent          address-dependent
 *   restricted          endpoint-independent          address and port-dependent
 *   symmetric           address and port-dependent    address and port-dependent
 *
 * Linux's masquerade keeps the port of the inside while no other flow needs it: an
 * endpoint-independent mapping as long as one machine is behind it. What comes in unasked must be
 * dropped on INPUT: it would make a flow of the router itself otherwise, and that takes the port
 * from the mapping of a later packet to the same peer, which every hole punching sends.
 *
 * Mappings that others may use are remembered in a set, as conntrack knows none of them: of
 * protocol and port for the cone, and of the peer's address too when it is address-restricted.
 */

/** How a router translates: the kinds above, and one that does not. */
export const NAT_KINDS = ['none', 'cone', 'address-restricted', 'restricted', 'symmetric'] as const
export type NatKind = (typeof NAT_KINDS)[number]

/** What a router does not let through, from the inside to the outside. */
export type Firewall = 'udp-blocked' | 'tcp-443-only'

export interface RouterRules {
  readonly nat: NatKind
  /** Who is behind it, as an IPv4 address; a cone sends all that is unasked there. */
  readonly inside: string
  readonly firewall?: Firewall | undefined
  /** Says nothing when a packet is too large to go on. */
  readonly icmpBlackHole?: boolean | undefined
}

const MAPPING_TIMEOUT = '300s'
const PORTS = 'meta l4proto { tcp, udp }'

/** The rules of a router with interfaces `wan` and `lan`, for `nft -f -`. */
export function routerRules(rules: RouterRules): string {
  return `
table ip translation {
  set open { type ${setType(rules.nat)}; flags dynamic,timeout; timeout ${MAPPING_TIMEOUT}; }
  chain inbound {
    type nat hook prerouting priority dstnat;
    ${inbound(rules)}
  }
  chain remember {
    type filter hook forward priority 0;
    ${remember(rules.nat)}
  }
  chain unasked {
    type filter hook input priority 0;
    iifname wan ct state new ${PORTS} drop
  }
  chain outbound {
    type nat hook postrouting priority srcnat;
    ${outbound(rules.nat)}
  }
}
table inet fence {
  chain out {
    type filter hook forward priority 10;
    ${fence(rules.firewall)}
  }
  chain own {
    type filter hook output priority 0;
    ${rules.icmpBlackHole === true ? BLACK_HOLE : ''}
  }
  chain unasked6 {
    type filter hook forward priority 20;
    iifname wan oifname lan meta nfproto ipv6 ct state new ${PORTS} drop
  }
}`
}

/** Nothing of a kind that says "this was too large" leaves the router. */
const BLACK_HOLE = `icmp type destination-unreachable drop
    icmpv6 type { packet-too-big, destination-unreachable } drop`

function setType(nat: NatKind): string {
  const mapping = 'inet_proto . inet_service'
  return nat === 'address-restricted' ? `${mapping} . ipv4_addr` : mapping
}

function inbound({ nat, inside }: RouterRules): string {
  const to = `dnat to ${inside}`
  if (nat === 'cone') return `iifname wan ${PORTS} meta l4proto . th dport @open ${to}`
  if (nat !== 'address-restricted') return ''
  return `iifname wan ${PORTS} meta l4proto . th dport . ip saddr @open ${to}`
}

function remember(nat: NatKind): string {
  if (nat === 'cone') return `oifname wan ${PORTS} update @open { meta l4proto . th sport }`
  if (nat !== 'address-restricted') return ''
  return `oifname wan ${PORTS} update @open { meta l4proto . th sport . ip daddr }`
}

function outbound(nat: NatKind): string {
  if (nat === 'none') return ''
  return nat === 'symmetric' ? 'oifname wan masquerade fully-random' : 'oifname wan masquerade'
}

function fence(firewall: Firewall | undefined): string {
  if (firewall === undefined) return ''
  if (firewall === 'udp-blocked') return 'meta l4proto udp drop'
  return `iifname lan oifname wan tcp dport != 443 drop
    iifname lan oifname wan meta l4proto != tcp drop
    iifname wan oifname lan meta l4proto udp drop`
}
