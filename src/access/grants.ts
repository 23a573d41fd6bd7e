/**
 * Who may call what here: grants that this node issued, and whether a token that a peer shows
 * allows its call now.
 *
 *   issued ─count reached─> used up      issued ─revoke─> revoked      any ─time─> expired
 *
 * A token counts only while the grant is in the store of the node that issued it: with the file
 * gone, every grant is. Revoking a grant ends all that was handed on of it.
 */

import { type Clock, CodedError, type Random, RecentMap } from '../base/index.ts'
import type { PeerId, Signer } from '../identity/index.ts'
import { type Capability, issueCapability, issuerOf, openCapability } from './capability.ts'
import { type Claims, covers, outsideOf } from './capability-claims.ts'
import { AccessError } from './errors.ts'
import { BLOCKS_COUNTED_MAX, type GrantStore, type IssuedRow } from './grants-store.ts'

/** Tokens that one request may show. */
export const TOKENS_MAX = 4
/** Verified tokens that are kept, so that each signature is checked once. */
const VERIFIED_MAX = 1_024
const LIFE_SECONDS_MAX = 366 * 86_400

export interface GrantsDeps {
  readonly store: GrantStore
  readonly signer: Signer
  readonly network: string
  readonly clock: Clock
  readonly random: Random
}

/** What the owner gives; what is left out is not limited, but for the time. */
export interface GrantRequest {
  readonly to: PeerId
  readonly service: string
  readonly tool?: string
  readonly args?: Claims['args']
  /** Unix seconds; now unless given. */
  readonly notBefore?: number
  readonly expiresInSeconds: number
  readonly callsMax?: number
}

/** A grant of this node, as its owner sees it. */
export interface IssuedGrant {
  readonly id: string
  readonly to: PeerId
  readonly rights: Claims
  readonly issuedMs: number
  readonly state: 'active' | 'early' | 'expired' | 'revoked' | 'used up'
  /** Calls that were made with it, also by those it was handed on to. */
  readonly calls: number
}

/** One call of a peer, as far as it decides whether it is granted. */
export interface GrantCall {
  readonly peer: PeerId
  readonly service: string
  readonly tool: string
  readonly args: Readonly<Record<string, unknown>>
  /** For whom the peer says that it calls; each must have held the token. */
  readonly onBehalfOf?: readonly PeerId[]
}

/** When a call is counted: as it is allowed, once it is handed on, or it was when it came first. */
export type Counting = 'now' | 'later' | 'before'

/** What allowed a call. */
export interface Granted {
  /** The id of the grant, and of the block that was used. */
  readonly grant: string
  readonly block: string
  readonly chain: readonly PeerId[]
}

/** Grants of one node: issued, listed, revoked, and asked at each call. */
export class Grants {
  readonly #deps: GrantsDeps
  readonly #verified = new RecentMap<string, Capability>(VERIFIED_MAX)

  constructor(deps: GrantsDeps) {
    this.#deps = deps
  }

  /** Makes a token for one peer and keeps the grant. */
  async issue(request: GrantRequest): Promise<IssuedGrant & { readonly token: string }> {
    const { store, clock, network } = this.#deps
    const { to, service, tool = '*', args = {}, expiresInSeconds, callsMax = null } = request
    if (expiresInSeconds < 1 || expiresInSeconds > LIFE_SECONDS_MAX) {
      const found = `${expiresInSeconds} s`
      const wanted = `1 to ${LIFE_SECONDS_MAX}, a year`
      throw AccessError.GRANT_REQUEST({ field: 'its life', found, wanted })
    }
    const notBefore = request.notBefore ?? this.nowSeconds()
    const expires = this.nowSeconds() + Math.floor(expiresInSeconds)
    const claims = { service, tool, args, notBefore, expires, callsMax, audience: to }
    const token = await issueCapability(claims, this.#deps)
    const { id } = openCapability(token, network)
    this.#sweep()
    const row = { id, token, issued: clock.now() }
    store.addIssued(row)
    return { ...this.#shown({ ...row, revoked: null }), token }
  }

  /** Oldest first; what has expired is listed until another is issued. */
  list(): readonly IssuedGrant[] {
    return this.#deps.store.issued().map((row) => this.#shown(row))
  }

  /** Ends a grant, or one block of it, with all that was handed on from there. */
  revoke(id: string): void {
    if (this.#deps.store.revoke(id, this.#deps.clock.now())) return
    throw AccessError.GRANT_UNKNOWN({ grant: id.slice(0, 64) })
  }

  /**
   * Finds a token that allows the call, counts it unless told when, and says which. Throws why
   * none does: the reason that tells most, `ACCESS_GRANT_MISSING` where no token is for this call
   * at all.
   */
  authorise(call: GrantCall, tokens: readonly string[], counting: Counting = 'now'): Granted {
    const { peer, service, tool } = call
    let reason: unknown = AccessError.GRANT_MISSING({ peer, service, tool })
    for (const token of tokens.slice(0, TOKENS_MAX)) {
      try {
        const capability = this.#usable(token, peer)
        if (capability === undefined || !covers(capability.rights, service, tool)) continue
        checkCall(capability, call)
        if (counting !== 'before') this.#checkLeft(capability)
        if (counting === 'now') this.#take(capability)
        const { id, chain, blocks } = capability
        return { grant: id, block: blocks.at(-1)?.id ?? id, chain }
      } catch (error) {
        if (!(error instanceof CodedError)) throw error
        reason = error
      }
    }
    throw reason
  }

  /** What the tokens let `peer` do here now; those that let it do nothing are passed over. */
  rightsOf(peer: PeerId, tokens: readonly string[]): readonly Claims[] {
    return tokens.slice(0, TOKENS_MAX).flatMap((token) => {
      try {
        const rights = this.#usable(token, peer)?.rights
        return rights === undefined ? [] : [rights]
      } catch (error) {
        if (error instanceof CodedError) return []
        throw error
      }
    })
  }

  /** Now, as tokens write it. */
  nowSeconds(): number {
    return Math.floor(this.#deps.clock.now() / 1_000)
  }

  /** The capability, if we issued it; throws where it cannot be used by `peer` now. */
  #usable(token: string, peer: PeerId): Capability | undefined {
    const { store, signer } = this.#deps
    // Signatures cost time, and whoever likes can sign for itself: only our own are checked.
    const isChecked = this.#verified.get(token) !== undefined
    if (!isChecked && issuerOf(token) !== signer.peer) return undefined
    const capability = this.#open(token)
    const { id, audience, rights, blocks } = capability
    if (audience !== peer) throw AccessError.GRANT_AUDIENCE({ peer, audience })
    const now = this.nowSeconds()
    if (now >= rights.expires) {
      throw AccessError.GRANT_EXPIRED({ grant: id, expired: dateOf(rights.expires) })
    }
    if (now < rights.notBefore) {
      throw AccessError.GRANT_EARLY({ grant: id, from: dateOf(rights.notBefore) })
    }
    const issued = store.issuedBy(id)
    if (issued === undefined) throw AccessError.GRANT_UNKNOWN({ grant: id })
    const later = blocks.slice(1).map((block) => block.id)
    const revoked = issued.revoked === null ? store.revokedOf(later) : id
    if (revoked !== undefined) throw AccessError.GRANT_REVOKED({ grant: revoked })
    return capability
  }

  #open(token: string): Capability {
    const known = this.#verified.get(token)
    if (known !== undefined) return known
    const capability = openCapability(token, this.#deps.network)
    this.#verified.set(token, capability)
    return capability
  }

  /** Throws where a block of the chain has no call left. */
  #checkLeft({ blocks }: Capability): void {
    for (const { id, callsMax } of blocks) {
      if (callsMax !== null && this.#deps.store.callsOf(id) >= callsMax) {
        throw AccessError.GRANT_USED_UP({ grant: id, limit: callsMax })
      }
    }
  }

  /** Takes one call from every block of the chain, or throws with nothing taken. */
  #take({ id: root, blocks }: Capability): void {
    const { store } = this.#deps
    let room = BLOCKS_COUNTED_MAX - store.countedOf(root)
    const counted = blocks.filter(({ id, callsMax }) => {
      if (id === root || store.callsOf(id) > 0) return true
      room -= 1
      if (room >= 0) return true
      if (callsMax === null) return false
      throw AccessError.GRANTS_FULL({ what: 'part of this grant', limit: BLOCKS_COUNTED_MAX })
    })
    store.count(
      root,
      counted.map(({ id }) => id),
    )
  }

  #shown({ id, token, issued, revoked }: IssuedRow): IssuedGrant {
    const { rights, blocks } = this.#open(token)
    const calls = this.#deps.store.callsOf(id)
    const to = blocks[0]?.audience ?? this.#deps.signer.peer
    return { id, to, rights, issuedMs: issued, state: this.#state(rights, calls, revoked), calls }
  }

  #state(rights: Claims, calls: number, revoked: number | null): IssuedGrant['state'] {
    if (revoked !== null) return 'revoked'
    if (this.nowSeconds() >= rights.expires) return 'expired'
    if (rights.callsMax !== null && calls >= rights.callsMax) return 'used up'
    return this.nowSeconds() < rights.notBefore ? 'early' : 'active'
  }

  #sweep(): void {
    const expired = this.list().filter(({ rights }) => this.nowSeconds() >= rights.expires)
    for (const { id } of expired) this.#deps.store.dropIssued(id)
  }
}

/** The arguments, and those for whom the call is made. */
function checkCall({ rights, chain }: Capability, call: GrantCall): void {
  const { peer, service, tool, args, onBehalfOf = [] } = call
  const outside = outsideOf(rights, args)
  if (outside !== undefined) {
    throw AccessError.GRANT_MISSING({ peer, service, tool, ...outside })
  }
  const missing = onBehalfOf.find((one) => !chain.includes(one))
  if (missing !== undefined) throw AccessError.GRANT_MISSING({ peer: missing, service, tool })
}

function dateOf(seconds: number): string {
  return new Date(seconds * 1_000).toISOString()
}
