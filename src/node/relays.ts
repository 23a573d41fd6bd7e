/**
 * Relays found through the DHT, and what becomes of a peer's streams once no relay is needed: a
 * node that relays for everybody says so under one name, and one that nobody reaches looks there.
 * Siblings do not know each other, so here the network's news reach those who keep streams open.
 */

import type { Clock, Logger, Service } from '../base/index.ts'
import type { Sessions } from '../mcp/index.ts'
import type { Libp2pHost } from '../net/index.ts'
import type { RpcClient } from '../rpc/index.ts'
import type { NodeDht } from './injected.ts'

export interface RelaysDeps {
  readonly host: Pick<Libp2pHost, 'events' | 'reach' | 'reachability'>
  readonly dht: Pick<NodeDht, 'provide' | 'unprovide' | 'findProviders'> | null
  readonly rpc: Pick<RpcClient, 'renew'>
  readonly sessions: Pick<Sessions, 'renew'> | null
  readonly clock: Clock
  readonly log: Logger
}

/** What relays are found under. */
export const RELAY_NAME = 'relay'
/** Where the DHT did not take it. */
const RETRY_MS = 60_000

export class Relays implements Service {
  readonly name = 'relays'
  readonly #deps: RelaysDeps
  readonly #unsubscribe: (() => void)[] = []
  readonly #stopped = new AbortController()
  #provides = false
  #telling: Promise<void> = Promise.resolve()

  constructor(deps: RelaysDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    const { host, dht, rpc, sessions } = this.#deps
    this.#unsubscribe.push(
      host.events.on('improved', ({ peer }) => {
        rpc.renew(peer)
        sessions?.renew(peer)
      }),
      host.events.on('reachability', () => this.#tell()),
    )
    if (dht === null) return
    host.reach.findRelaysWith(async function* find({ signal }) {
      const { providers } = await dht.findProviders(RELAY_NAME, signal ? { signal } : {})
      for (const { peer } of providers) yield peer
    })
    this.#tell()
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    this.#stopped.abort()
    await this.#telling
  }

  /** Says that we relay once somebody has reached us, and no longer when nobody does. */
  #tell(): void {
    const { host, dht, clock, log } = this.#deps
    const { signal } = this.#stopped
    if (dht === null || signal.aborted) return
    const { verdict, relaying } = host.reachability()
    const provides = relaying.serving && verdict === 'public'
    if (provides === this.#provides) return
    this.#provides = provides
    this.#telling = this.#telling
      .then(async () => {
        if (provides) await dht.provide(RELAY_NAME, { signal })
        else dht.unprovide(RELAY_NAME)
      })
      .catch((error: unknown) => {
        this.#provides = false
        log.debug('relaying not told', { error })
        clock.sleep(RETRY_MS, signal).then(
          () => this.#tell(),
          () => undefined,
        )
      })
  }
}
