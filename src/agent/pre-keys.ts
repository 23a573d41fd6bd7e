/**
 * Pre-keys: short-lived X25519 keys that others seal against, published with the agent's record.
 *
 * A new one is made every day; it may be sealed against for two, and its private half is deleted
 * eight days after that, when no message sealed against it lives any more. Whoever takes the node
 * over later, with every identity key, opens nothing older than that.
 *
 *   pre-key  [id (8 bytes), public key (32), expires at (ms), signature (64)]
 *
 * Signed by the node, each with its length in front: "p2p-foundation pre-key 1", network, peer, id,
 * public key, expires at.
 */

import { type Clock, equalBytes, type Random } from '../base/index.ts'
import {
  type PeerId,
  peerIdToBytes,
  SIGNATURE_BYTES,
  type Signer,
  signedBytes,
  verifySignature,
} from '../identity/index.ts'
import type { Cbor } from '../wire/index.ts'
import { EnvelopeError } from './envelope-errors.ts'
import { X25519_BYTES, type X25519Keys, x25519Keys } from './hpke.ts'
import {
  AHEAD_MS_MAX,
  PRE_KEY_EVERY_MS,
  PRE_KEY_ID_BYTES,
  PRE_KEY_KEPT_MS,
  PRE_KEY_LIFE_MS,
  PRE_KEYS_PUBLISHED_MAX,
} from './protocol.ts'

const DOMAIN = 'p2p-foundation pre-key 1'
/** Twice what a clock that runs evenly can leave there. */
export const PRE_KEYS_KEPT_MAX = 24

/** The public half, as its owner's record lists it. */
export interface PreKey {
  readonly id: Uint8Array
  readonly publicKey: Uint8Array
  readonly expiresAtMs: number
  readonly signature: Uint8Array
}

/** A pre-key of ours as it is kept. */
export interface KeptPreKey {
  readonly id: Uint8Array
  readonly secret: Uint8Array
  readonly expiresAtMs: number
}

/** Where private halves are kept; `save` puts the list in place of the one before, whole. */
export interface PreKeyStore {
  load(): Promise<readonly KeptPreKey[]>
  save(keys: readonly KeptPreKey[]): Promise<void>
}

export interface PreKeysDeps {
  readonly signer: Signer
  readonly network: string
  readonly clock: Clock
  readonly random: Random
  readonly store: PreKeyStore
}

interface Held extends KeptPreKey {
  readonly keys: X25519Keys
}

/** Whose key it is, and where and when it is to hold. */
export interface PreKeyRules {
  readonly peer: PeerId
  readonly network: string
  readonly nowMs: number
}

/** The form in which a record lists it. */
export function packPreKey({ id, publicKey, expiresAtMs, signature }: PreKey): Cbor {
  return [id, publicKey, expiresAtMs, signature]
}

/** Reads a pre-key that `peer` signed and that may be sealed against now, or throws. */
export function readPreKey(value: Cbor, { peer, network, nowMs }: PreKeyRules): PreKey {
  const fields = Array.isArray(value) ? (value as readonly Cbor[]) : []
  const [id, publicKey, expiresAtMs, signature, ...rest] = fields
  if (
    !isBytes(id, PRE_KEY_ID_BYTES) ||
    !isBytes(publicKey, X25519_BYTES) ||
    !isBytes(signature, SIGNATURE_BYTES) ||
    typeof expiresAtMs !== 'number' ||
    expiresAtMs < 0 ||
    rest.length > 0
  ) {
    throw EnvelopeError.PRE_KEY_INVALID({ found: 'no list of id, key, expiry and signature' })
  }
  if (expiresAtMs <= nowMs) throw EnvelopeError.PRE_KEY_INVALID({ found: 'one that has expired' })
  if (expiresAtMs > nowMs + PRE_KEY_LIFE_MS + AHEAD_MS_MAX) {
    throw EnvelopeError.PRE_KEY_INVALID({ found: 'one that would live too long' })
  }
  const preKey = { id, publicKey, expiresAtMs, signature }
  if (verifySignature(peer, signedPart(preKey, peer, network), signature)) return preKey
  throw EnvelopeError.PRE_KEY_INVALID({ found: `one that ${peer} did not sign` })
}

/** This node's own pre-keys. */
export class PreKeys {
  readonly #deps: PreKeysDeps
  /** Newest first; `undefined` until they were read. */
  #held: readonly Held[] | undefined
  #busy: Promise<unknown> = Promise.resolve()

  constructor(deps: PreKeysDeps) {
    this.#deps = deps
  }

  /**
   * Those to publish, newest first. Makes a new one when it is time and forgets those whose time is
   * over; what is returned is on disk already, for a key that got lost would close its messages.
   */
  current(): Promise<readonly PreKey[]> {
    const turn = this.#busy.then(() => this.#rotate())
    this.#busy = turn.catch(() => undefined)
    return turn
  }

  /** The keys of this id while their private half is kept, which `current()` must have read. */
  secretOf(id: Uint8Array): X25519Keys | undefined {
    const nowMs = this.#deps.clock.now()
    return this.#held?.find((held) => isKept(held, nowMs) && equalBytes(held.id, id))?.keys
  }

  async #rotate(): Promise<readonly PreKey[]> {
    const { clock, store, signer, network } = this.#deps
    const before = this.#held ?? (await store.load()).map(held)
    const nowMs = clock.now()
    const kept = before.filter((each) => isKept(each, nowMs))
    const isNewest = ({ expiresAtMs }: Held) => {
      const ageMs = nowMs + PRE_KEY_LIFE_MS - expiresAtMs
      return ageMs >= -AHEAD_MS_MAX && ageMs < PRE_KEY_EVERY_MS
    }
    const next = kept.some(isNewest) ? kept : [this.#made(nowMs), ...kept]
    const after = next.slice(0, PRE_KEYS_KEPT_MAX)
    if (after.length !== before.length || after[0] !== before[0]) await store.save(after.map(bare))
    this.#held = after
    // Those of a clock that was set back are left out: nobody else would take them.
    const latestMs = nowMs + PRE_KEY_LIFE_MS + AHEAD_MS_MAX
    const usable = after.filter(({ expiresAtMs: at }) => at > nowMs && at <= latestMs)
    const published = usable.slice(0, PRE_KEYS_PUBLISHED_MAX)
    return Promise.all(published.map((each) => signedBy(each, signer, network)))
  }

  #made(nowMs: number): Held {
    const { random } = this.#deps
    const id = random.bytes(PRE_KEY_ID_BYTES)
    const secret = random.bytes(X25519_BYTES)
    return held({ id, secret, expiresAtMs: nowMs + PRE_KEY_LIFE_MS })
  }
}

async function signedBy(
  { id, keys: { publicKey }, expiresAtMs }: Held,
  signer: Signer,
  network: string,
): Promise<PreKey> {
  const said = { id, publicKey, expiresAtMs }
  const signature = await signer.sign(signedPart(said, signer.peer, network))
  return { ...said, signature: Uint8Array.from(signature) }
}

function signedPart(
  { id, publicKey, expiresAtMs }: Omit<PreKey, 'signature'>,
  peer: PeerId,
  network: string,
): Uint8Array {
  return signedBytes(DOMAIN, [network, peerIdToBytes(peer), id, publicKey, expiresAtMs])
}

function held(kept: KeptPreKey): Held {
  return { ...kept, keys: x25519Keys(kept.secret) }
}

function bare({ id, secret, expiresAtMs }: Held): KeptPreKey {
  return { id, secret, expiresAtMs }
}

function isKept({ expiresAtMs }: KeptPreKey, nowMs: number): boolean {
  return expiresAtMs + PRE_KEY_KEPT_MS > nowMs
}

function isBytes(value: Cbor | undefined, size: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === size
}
