/**
 * Tokens that others gave this node: kept, and chosen for a call by peer, service and tool.
 *
 * A node that calls for somebody else shows only what came through that peer's hands: what it was
 * given itself would lend the peer a right that it does not have.
 */

import { CodedError } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { attenuateCapability, type Capability, openCapability } from './capability.ts'
import { type Claims, covers, type Narrowing } from './capability-claims.ts'
import { AccessError } from './errors.ts'
import { type GrantsDeps, TOKENS_MAX } from './grants.ts'

/** A token of another node, as the one who may use it sees it. */
export interface HeldGrant {
  /** The id of its last block: two parts of one grant are two tokens. */
  readonly id: string
  readonly grant: string
  readonly issuer: PeerId
  readonly chain: readonly PeerId[]
  readonly rights: Claims
  readonly state: 'active' | 'early' | 'expired'
}

/** A call to be made: without a tool, what opens a stream to the service. */
export interface GrantTarget {
  readonly peer: PeerId
  readonly service: string
  readonly tool?: string
}

/** For whom a call is made, and the tokens that came with that request. */
export interface OnBehalf {
  readonly peer: PeerId
  readonly tokens: readonly string[]
}

interface Held {
  readonly token: string
  readonly capability: Capability
}

/** What this node was granted by others. */
export class HeldGrants {
  readonly #deps: GrantsDeps
  #kept: Held[] | undefined

  constructor(deps: GrantsDeps) {
    this.#deps = deps
  }

  /** Keeps a token that is for this node; throws why it is of no use here. */
  accept(token: string): HeldGrant {
    const { store, signer } = this.#deps
    const capability = openCapability(token.trim(), this.#deps.network)
    const { audience, rights, id } = capability
    if (audience !== signer.peer) throw AccessError.GRANT_AUDIENCE({ peer: signer.peer, audience })
    if (this.#nowSeconds() >= rights.expires) {
      const expired = new Date(rights.expires * 1_000).toISOString()
      throw AccessError.GRANT_EXPIRED({ grant: id, expired })
    }
    this.#sweep()
    store.addHeld(idOf(capability), token.trim())
    this.#kept = undefined
    return this.#shown(capability)
  }

  list(): readonly HeldGrant[] {
    return this.#held().map(({ capability }) => this.#shown(capability))
  }

  /** Forgets a token that this node holds; its issuer still takes it. */
  drop(id: string): boolean {
    this.#kept = undefined
    return this.#deps.store.dropHeld(id)
  }

  /** Hands on less of a token that this node holds, named by its id, or of one given whole. */
  async delegate(from: string, by: Narrowing & { readonly audience: PeerId }): Promise<string> {
    const held = this.#held().find(({ capability }) => idOf(capability) === from)
    return attenuateCapability(held?.token ?? from, by, this.#deps)
  }

  /** The tokens to show for a call, the most fitting first. */
  for(target: GrantTarget, onBehalf?: OnBehalf): readonly string[] {
    const { peer, service, tool } = target
    const isOther = onBehalf !== undefined && onBehalf.peer !== this.#deps.signer.peer
    const fits = ({ capability }: Held) => {
      const { issuer, rights, chain } = capability
      if (issuer !== peer || rights.service !== service) return false
      if (tool !== undefined && !covers(rights, service, tool)) return false
      if (isOther && !chain.slice(0, -1).includes(onBehalf.peer)) return false
      return this.#state(rights) === 'active'
    }
    const candidates = [...this.#opened(onBehalf?.tokens ?? []), ...this.#held()].filter(fits)
    const named = candidates.filter(({ capability }) => capability.rights.tool === tool)
    const ordered = new Set([...named, ...candidates].map(({ token }) => token))
    return [...ordered].slice(0, TOKENS_MAX)
  }

  #held(): readonly Held[] {
    this.#kept ??= this.#opened(this.#deps.store.held())
    return this.#kept
  }

  /** Those that are for this node; what cannot be read is nothing that could be shown. */
  #opened(tokens: readonly string[]): Held[] {
    return tokens.flatMap((token) => {
      try {
        const capability = openCapability(token, this.#deps.network)
        return capability.audience === this.#deps.signer.peer ? [{ token, capability }] : []
      } catch (error) {
        if (error instanceof CodedError) return []
        throw error
      }
    })
  }

  #sweep(): void {
    for (const { id, state } of this.list()) {
      if (state === 'expired') this.#deps.store.dropHeld(id)
    }
  }

  #shown(capability: Capability): HeldGrant {
    const { id, issuer, chain, rights } = capability
    return { id: idOf(capability), grant: id, issuer, chain, rights, state: this.#state(rights) }
  }

  #state(rights: Claims): HeldGrant['state'] {
    const now = this.#nowSeconds()
    if (now >= rights.expires) return 'expired'
    return now < rights.notBefore ? 'early' : 'active'
  }

  #nowSeconds(): number {
    return Math.floor(this.#deps.clock.now() / 1_000)
  }
}

function idOf({ id, blocks }: Capability): string {
  return blocks.at(-1)?.id ?? id
}
