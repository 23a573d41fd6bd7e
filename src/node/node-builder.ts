/**
 * A node in the form of the product's documents:
 *
 *   const node = await P2PNode.builder().withMcpServer().listenOn('/ip6/::/tcp/9000').build()
 *
 * It collects the options of `createNode` and then calls it; there is no other way to a node.
 */

import { parseListenAddress, parseMultiaddr } from '../net/index.ts'
import type { NodeOptions } from './config.ts'
import type { Injected } from './injected.ts'
import type { Node } from './node.ts'
import { createNode } from './open-node.ts'
import { overOptions } from './presets.ts'

/** Collects options; every method gives a new builder and leaves this one as it was. */
export class P2PNodeBuilder {
  readonly #options: NodeOptions

  constructor(options: NodeOptions) {
    this.#options = options
  }

  /** Offers services and calls tools of others; so does every node that does not turn it off. */
  withMcpServer(): P2PNodeBuilder {
    return this.withConfig({ mcp: { enabled: true } })
  }

  /** Listens here, and at every address given so far, in place of the defaults. */
  listenOn(...addresses: readonly string[]): P2PNodeBuilder {
    for (const address of addresses) parseListenAddress(address)
    const before = this.#options.net?.listen ?? []
    return this.withConfig({ net: { listen: [...before, ...addresses] } })
  }

  /** First peers to connect to, besides those given so far. */
  bootstrap(...addresses: readonly string[]): P2PNodeBuilder {
    for (const address of addresses) parseMultiaddr(address)
    const before = this.#options.bootstrap?.nodes ?? []
    return this.withConfig({ bootstrap: { nodes: [...before, ...addresses] } })
  }

  withDataDir(dataDir: string): P2PNodeBuilder {
    return this.withConfig({ dataDir })
  }

  /** Lays these options over those given so far. */
  withConfig(config: NodeOptions): P2PNodeBuilder {
    return new P2PNodeBuilder(overOptions(this.#options, config))
  }

  /** What `build` gives to `createNode`. */
  options(): NodeOptions {
    return this.#options
  }

  /** Starts the node. */
  build(injected: Injected = {}): Promise<Node> {
    return createNode(this.#options, injected)
  }
}

/** Where a node in the documents' form begins. */
export const P2PNode = {
  builder: (): P2PNodeBuilder => new P2PNodeBuilder({}),
  /** Starts a node from what `P2PConfig.builder()` built. */
  withConfig: (config: NodeOptions): Promise<Node> => createNode(config),
} as const
