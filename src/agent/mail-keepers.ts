/** Who keeps the mailbox of somebody, and how they are asked. */

import { type Clock, TtlMap } from '../base/index.ts'
import type { Dht } from '../dht/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions } from '../net/index.ts'
import type { RpcClient } from '../rpc/index.ts'
import type { Cbor } from '../wire/index.ts'
import { type Addressee, boxOf, mailboxKey } from './mailbox-protocol.ts'

export interface MailKeepersDeps {
  readonly self: PeerId
  readonly dht: Pick<Dht, 'closest'>
  readonly rpc: Pick<RpcClient, 'call'>
  /** Finds a peer and connects to it, where we are not connected. */
  readonly connect: (peer: PeerId, options: CallOptions) => Promise<unknown>
  readonly clock: Clock
}

/** Many messages to one recipient in a row are one search. */
const KNOWN_MS = 60_000
const KNOWN_MAX = 1_024
/** Finding, connecting and an answer; whoever takes longer is passed over. */
const ASK_MS = 8_000

export class MailKeepers {
  readonly #deps: MailKeepersDeps
  readonly #known: TtlMap<string, readonly PeerId[]>

  constructor(deps: MailKeepersDeps) {
    this.#deps = deps
    this.#known = new TtlMap({ entriesMax: KNOWN_MAX, ttlMs: KNOWN_MS, clock: deps.clock })
  }

  /** The nodes closest to a mailbox, closest first, without this one and whose it is. */
  async of(to: Addressee, { signal }: CallOptions): Promise<readonly PeerId[]> {
    const box = boxOf(to)
    const known = this.#known.get(box)
    return known ?? (await this.find(to, signal === undefined ? {} : { signal }))
  }

  /** As `of`, looked for afresh. */
  async find(to: Addressee, options: CallOptions): Promise<readonly PeerId[]> {
    const { self, dht } = this.#deps
    const { closest } = await dht.closest(mailboxKey(to), options)
    const found = closest.filter((peer) => peer !== self && peer !== to)
    // Before the first peers are there, nobody is found: that is no answer to remember.
    if (found.length > 0) this.#known.set(boxOf(to), found)
    return found
  }

  /** Calls a keeper's method; rejects when it refuses, or does not answer in time. */
  async ask(peer: PeerId, method: string, payload: Cbor, options: CallOptions): Promise<Cbor> {
    const { clock, connect, rpc } = this.#deps
    using deadline = clock.deadline(ASK_MS, options.signal)
    const { signal } = deadline
    await connect(peer, { signal })
    return await rpc.call(peer, method, payload, { signal })
  }
}
