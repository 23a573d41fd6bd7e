/**
 * A small internet: hosts, and sites behind routers, NATs and firewalls, over IPv4, IPv6 or both.
 *
 *   relay eth0 ───────────────────────────────────┐
 *   a eth0 ── lan [a-router] wan ── line ─────────┤ one wire: every public address is on it,
 *   b eth0 ── lan [b-router] wan ──┐              │ nobody routes anything private
 *            lan [b-carrier] wan ──┘──────────────┘
 *
 * Addresses must look public to libp2p, which holds 203.0.113.0/24 and its like to be private. They
 * never leave the namespaces. A router answers for a host that has a public address of its own
 * (proxy ARP, proxy ND). IPv6 is never translated; every router lets only answers in.
 *
 * Kernels bundle packets on a veth and pass bundles larger than the MTU; here they may not.
 */

import { type Namespace, Namespaces } from './namespaces.ts'
import { type Firewall, type NatKind, routerRules } from './nat.ts'
import { type Shape, Wire } from './wire.ts'

const BRIDGE = 'internet0'
const UNBUNDLED = ['gso_max_segs', '1']
const FORWARDING = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']
const GATEWAY6 = 'fe80::1'

/** Addresses and what lies between a machine and the internet. */
export interface UplinkOptions {
  /** Public; absent: no IPv4 at all. */
  readonly ip4?: string
  /** The host's own, for IPv6 is not translated; absent: no IPv6 at all. */
  readonly ip6?: string
  /** Delay, loss and rate towards the internet (`ab`) and back (`ba`). */
  readonly line?: Shape
  readonly seed?: number
}

export interface SiteOptions extends UplinkOptions {
  /** `carrier-grade`: a restricted one at home behind a restricted one of the carrier. */
  readonly nat: NatKind | 'carrier-grade'
  readonly firewall?: Firewall
  /** `open`: on the internet itself, also over IPv6, which a router would let only answers in. */
  readonly router?: 'open'
  /** Of the way to the internet; the host itself believes in 1,500. */
  readonly mtu?: number
  readonly icmpBlackHole?: boolean
}

/** A host, what it is behind, and its line. */
export interface Site {
  readonly host: Namespace
  /** From the inside to the outside; none when the host is on the internet itself. */
  readonly routers: readonly Namespace[]
  readonly line: Wire | undefined
  /** Where the host itself is: private behind a NAT. */
  readonly hostIp4: string | undefined
}

/** The wire that all are on; disposing of it ends everything. */
export class Internet implements AsyncDisposable {
  readonly #namespaces = new Namespaces()
  readonly #hub: Namespace
  readonly #wires: Wire[] = []
  #attached = 0

  constructor() {
    this.#hub = this.#namespaces.add('internet', { ipv6: true })
    this.#hub.ip('link', 'add', BRIDGE, 'type', 'bridge', 'mcast_snooping', '0')
    this.#hub.ip('link', 'set', BRIDGE, 'up')
  }

  /** A machine on the internet itself. */
  async host(name: string, options: UplinkOptions): Promise<Site> {
    const host = this.#namespaces.add(name, { ipv6: options.ip6 !== undefined })
    const line = await this.#attach(host, 'eth0', options)
    if (options.ip4 !== undefined) host.ip('address', 'add', `${options.ip4}/32`, 'dev', 'eth0')
    if (options.ip6 !== undefined) host.ip('address', 'add', `${options.ip6}/128`, 'dev', 'eth0')
    defaultOnLink(host, 'eth0', options)
    return { host, routers: [], line, hostIp4: options.ip4 }
  }

  /** A machine behind one router, or behind two. */
  async site(name: string, options: SiteOptions): Promise<Site> {
    const { nat, firewall, mtu } = options
    const isBare = firewall === undefined && mtu === undefined && options.ip6 === undefined
    if (options.router === 'open' || (nat === 'none' && isBare)) return this.host(name, options)
    const site = this.#attached + 1
    const host = this.#namespaces.add(name, { ipv6: options.ip6 !== undefined })
    const outer = this.#namespaces.add(`${name}-router`, { ipv6: true })
    const line = await this.#attach(outer, 'wan', options)
    if (nat === 'carrier-grade') {
      const home = this.#namespaces.add(`${name}-home`, { ipv6: true })
      join(home, 'wan', outer)
      join(host, 'eth0', home)
      const hostIp4 = behindCarrier({ host, home, outer, site }, options)
      return { host, routers: [home, outer], line, hostIp4 }
    }
    join(host, 'eth0', outer)
    const hostIp4 = behindRouter({ host, outer, site }, { ...options, nat })
    return { host, routers: [outer], line, hostIp4 }
  }

  /** A folder that goes with the internet. */
  folder(name: string): string {
    return this.#namespaces.folder(name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#namespaces[Symbol.asyncDispose]()
    for (const wire of this.#wires) await wire[Symbol.asyncDispose]()
  }

  /** Puts an interface of a machine on the internet's wire, with a line in between if asked. */
  async #attach(
    machine: Namespace,
    name: string,
    { line, seed = 1 }: UplinkOptions,
  ): Promise<Wire | undefined> {
    this.#attached += 1
    const far = `to-${this.#attached}`
    if (line === undefined) {
      const peer = ['type', 'veth', 'peer', 'name', name, 'netns', machine.name]
      this.#hub.ip('link', 'add', far, ...peer)
    }
    const wire = line === undefined ? undefined : await this.#wire(machine, [name, far], seed)
    if (line !== undefined) await wire?.shape(line)
    this.#hub.ip('link', 'set', far, ...UNBUNDLED, 'master', BRIDGE, 'up')
    machine.ip('link', 'set', name, ...UNBUNDLED, 'up')
    return wire
  }

  async #wire(machine: Namespace, [a, b]: readonly [string, string], seed: number) {
    const ends = { a: machine.name, b: this.#hub.name, names: { a, b } }
    const wire = await Wire.open({ ...ends, seed, multicast: true })
    this.#wires.push(wire)
    return wire
  }
}

/** Joins the machine inside to the `lan` of the router outside. */
function join(inside: Namespace, name: string, outside: Namespace): void {
  const peer = ['type', 'veth', 'peer', 'name', name, 'netns', inside.name]
  outside.ip('link', 'add', 'lan', ...peer)
  outside.ip('link', 'set', 'lan', ...UNBUNDLED, 'up')
  outside.ip('address', 'add', `${GATEWAY6}/64`, 'dev', 'lan')
  inside.ip('link', 'set', name, ...UNBUNDLED, 'up')
}

interface Between {
  readonly host: Namespace
  readonly outer: Namespace
  readonly site: number
}

function behindRouter(
  { host, outer, site }: Between,
  options: SiteOptions & { readonly nat: NatKind },
): string | undefined {
  outer.sysctl(...FORWARDING)
  const isOwn = options.nat === 'none'
  const hostIp4 = isOwn ? options.ip4 : `10.${site}.0.2`
  if (options.ip4 !== undefined) {
    outer.ip('address', 'add', `10.${site}.0.1/24`, 'dev', 'lan')
    if (!isOwn) outer.ip('address', 'add', `${options.ip4}/32`, 'dev', 'wan')
    else answerFor(outer, options.ip4)
    host.ip('address', 'add', isOwn ? `${options.ip4}/32` : `10.${site}.0.2/24`, 'dev', 'eth0')
    defaultVia(host, 'eth0', `10.${site}.0.1`)
  }
  setUpIp6([host, outer], options)
  defaultOnLink(outer, 'wan', options)
  guard(outer, options, hostIp4 ?? `10.${site}.0.2`)
  return options.ip4 === undefined ? undefined : hostIp4
}

function behindCarrier(
  { host, home, outer, site }: Between & { readonly home: Namespace },
  options: SiteOptions,
): string | undefined {
  for (const router of [home, outer]) router.sysctl(...FORWARDING)
  const [carrier, subscriber] = [`100.64.${site}.1`, `100.64.${site}.2`]
  const hostIp4 = `10.${site}.0.2`
  if (options.ip4 !== undefined) {
    outer.ip('address', 'add', `${carrier}/24`, 'dev', 'lan')
    outer.ip('address', 'add', `${options.ip4}/32`, 'dev', 'wan')
    home.ip('address', 'add', `${subscriber}/24`, 'dev', 'wan')
    home.ip('address', 'add', `10.${site}.0.1/24`, 'dev', 'lan')
    host.ip('address', 'add', `${hostIp4}/24`, 'dev', 'eth0')
    defaultVia(host, 'eth0', `10.${site}.0.1`)
    defaultVia(home, 'wan', carrier)
  }
  setUpIp6([host, home, outer], options)
  defaultOnLink(outer, 'wan', options)
  guard(home, { nat: 'restricted' }, hostIp4)
  guard(outer, { ...options, nat: 'restricted' }, subscriber)
  return options.ip4 === undefined ? undefined : hostIp4
}

/** The host's address, a route to it on every router, and the outermost answers for it. */
function setUpIp6(machines: readonly Namespace[], { ip6 }: SiteOptions): void {
  if (ip6 === undefined) return
  const [host, ...routers] = machines
  host?.ip('address', 'add', `${ip6}/128`, 'dev', 'eth0')
  host?.ip('-6', 'route', 'add', 'default', 'via', GATEWAY6, 'dev', 'eth0')
  for (const [index, router] of routers.entries()) {
    // The home router's neighbour inside is the host; the carrier's is the home router.
    const via = index === 0 ? [] : ['via', 'fe80::2']
    if (index > 0) routers[index - 1]?.ip('address', 'add', 'fe80::2/64', 'dev', 'wan')
    router.ip('-6', 'route', 'add', `${ip6}/128`, ...via, 'dev', 'lan')
    if (index < routers.length - 1) {
      router.ip('-6', 'route', 'add', 'default', 'via', GATEWAY6, 'dev', 'wan')
    } else {
      router.sysctl('net.ipv6.conf.wan.proxy_ndp=1', 'net.ipv6.neigh.wan.proxy_delay=0')
      router.ip('-6', 'neighbour', 'add', 'proxy', ip6, 'dev', 'wan')
    }
  }
}

function guard(
  router: Namespace,
  { nat, firewall, mtu, icmpBlackHole }: Omit<SiteOptions, 'nat'> & { readonly nat: NatKind },
  inside: string,
): void {
  if (mtu !== undefined) router.ip('link', 'set', 'wan', 'mtu', String(mtu))
  router.run('nft', ['-f', '-'], routerRules({ nat, inside, firewall, icmpBlackHole }))
}

/** The router says that this address is its own, and hands on what comes for it. */
function answerFor(router: Namespace, ip4: string): void {
  router.sysctl('net.ipv4.conf.wan.proxy_arp=1', 'net.ipv4.neigh.wan.proxy_delay=0')
  router.ip('route', 'add', `${ip4}/32`, 'dev', 'lan')
}

function defaultVia(machine: Namespace, device: string, gateway: string): void {
  machine.ip('route', 'add', 'default', 'via', gateway, 'dev', device, 'onlink')
}

/** On the internet's wire everybody is a neighbour. */
function defaultOnLink(machine: Namespace, device: string, { ip4, ip6 }: UplinkOptions): void {
  if (ip4 !== undefined) machine.ip('route', 'add', 'default', 'dev', device)
  if (ip6 !== undefined) machine.ip('-6', 'route', 'add', 'default', 'dev', device)
}
