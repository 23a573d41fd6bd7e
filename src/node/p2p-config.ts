/**
 * The configuration in the form of the product's documents:
 *
 *   P2PConfig.builder().network(NetworkConfig.ipv6Only()).tunneling(TunnelingConfig.auto())
 *     .mcp(McpConfig.default()).security(SecurityConfig.strict()).build()
 *
 * Each part is a piece of `NodeOptions` and nothing else, so what the builder gives can be given
 * to `createNode` as well, and be laid over with options of one's own.
 */

import type { NodeOptions } from './config.ts'
import { NodeError } from './errors.ts'
import { overOptions } from './presets.ts'

/** What the parts below are: options of one section or more. */
export type ConfigPart = NodeOptions

/** Where a node listens and whom it dials. */
export const NetworkConfig = {
  /** IPv6 and IPv4, QUIC and TCP. */
  default: (): ConfigPart => ({}),
  /** IPv6 alone: no IPv4 address is listened on or dialled, and nobody looked for on the link. */
  ipv6Only: (): ConfigPart => ({ net: { family: 'ip6' }, bootstrap: { mdns: false } }),
  /** These addresses in place of the default ones. */
  listenOn: (...addresses: readonly string[]): ConfigPart => ({ net: { listen: [...addresses] } }),
} as const

/** How a node gets to IPv6 where its network has none. */
export const TunnelingConfig = {
  /**
   * Whatever this build has. For now that is nothing: `status().tunnel` says `unavailable`, with
   * the reason and what helps.
   */
  auto: (): ConfigPart => ({}),
  /** Starts only with one of these. `native` is IPv6 without a tunnel, and the one there is. */
  required: (...protocols: readonly string[]): ConfigPart => onlyNative('required', protocols),
  /** These first, in this order. */
  preferring: (...protocols: readonly string[]): ConfigPart => onlyNative('preferring', protocols),
} as const

/** Tools: offering them, calling them, serving assistants. */
export const McpConfig = {
  default: (): ConfigPart => ({ mcp: { enabled: true } }),
  off: (): ConfigPart => ({ mcp: { enabled: false } }),
} as const

/** How much strangers may do. Connections are encrypted and peers proven in every case. */
export const SecurityConfig = {
  default: (): ConfigPart => ({}),
  /**
   * For a node that strangers can reach and that owes them little. Per stranger half the rate (50
   * cost units a second, one second at once), for all peers a tenth (1,000); an eighth of the
   * connections from one host (8) and one network (32), 2 of one peer, 2 not yet encrypted from
   * one host and 8 from one network, 8 new ones a second; 20 requests in work at once; and nothing
   * is said or heard on the local link. Peers you grant keep their own rate.
   */
  strict: (): ConfigPart => ({
    access: { ratePerPeer: 50, rateTotal: 1_000, burstSeconds: 1 },
    net: {
      connectionsPerPeerMax: 2,
      connectionsPerHostMax: 8,
      connectionsPerSiteMax: 32,
      pendingPerHostMax: 2,
      pendingPerSiteMax: 8,
      inboundPerSecondMax: 8,
    },
    mcp: { concurrentMax: 20 },
    bootstrap: { mdns: false },
  }),
} as const

/** Puts parts together; a later one wins over an earlier one where both say something. */
export class P2PConfigBuilder {
  readonly #options: NodeOptions

  constructor(options: NodeOptions) {
    this.#options = options
  }

  network(part: ConfigPart): P2PConfigBuilder {
    return this.#with(part)
  }

  tunneling(part: ConfigPart): P2PConfigBuilder {
    return this.#with(part)
  }

  mcp(part: ConfigPart): P2PConfigBuilder {
    return this.#with(part)
  }

  security(part: ConfigPart): P2PConfigBuilder {
    return this.#with(part)
  }

  /** Options for `createNode` and for `P2PNode.withConfig`. */
  build(): NodeOptions {
    return this.#options
  }

  #with(part: ConfigPart): P2PConfigBuilder {
    return new P2PConfigBuilder(overOptions(this.#options, part))
  }
}

/** Where a configuration in the documents' form begins. */
export const P2PConfig = {
  builder: (): P2PConfigBuilder => new P2PConfigBuilder({}),
} as const

/** What `P2PConfig.builder()` builds: options as `createNode` takes them. */
export type P2PConfig = NodeOptions

function onlyNative(asked: string, protocols: readonly string[]): ConfigPart {
  const found = protocols.filter((protocol) => protocol !== 'native')
  if (found.length === 0 && protocols.length > 0) return {}
  throw NodeError.NOT_BUILT_YET({
    where: `TunnelingConfig.${asked}`,
    key: '[tunneling] preferred_protocols',
    found: found.length === 0 ? 'nothing' : found.join(', '),
    now: '"native", or use TunnelingConfig.auto()',
    comesWith: 'the room "tunnel"',
  })
}
