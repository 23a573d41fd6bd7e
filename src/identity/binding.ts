/**
 * The binding of an Ethereum address to a peer, signed by both keys: neither can claim the other
 * alone. Deterministic CBOR of at most 512 bytes, a map of seven:
 *
 *   key  field           type and limit
 *     1  peer            bytes, the multihash of an Ed25519 peer id
 *     2  address         20 bytes
 *     3  version         Lamport number in milliseconds; the highest of an address is the one
 *     4  issued          milliseconds since the Unix epoch
 *     5  expires         the same, at most 30 days after it was issued
 *     6  ETH signature   65 bytes, EIP-191 over the text of `bindingText`
 *     7  peer signature  64 bytes, Ed25519
 *
 * The peer signs, each with its length in front: "p2p-foundation binding 1", network, peer,
 * address, version, issued, expires, ETH signature. The text says the same to a person, for a
 * wallet shows it before it signs.
 *
 * To verify one takes half a millisecond, nearly all of it to find the ETH key. A binding comes
 * with every message of an agent, so those that were found to hold are remembered by their hash;
 * whether their time has come or is over is looked at each time.
 */

import { hash } from 'node:crypto'
import { RecentMap } from '../base/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import { IdentityError } from './errors.ts'
import {
  ETH_ADDRESS_BYTES,
  ETH_SIGNATURE_BYTES,
  type EthAddress,
  type EthSigner,
  ethAddressFromBytes,
  ethAddressToBytes,
  ethSignerOf,
} from './ethereum.ts'
import { type PeerId, peerIdFromBytes, peerIdToBytes } from './peer.ts'
import { SIGNATURE_BYTES, type Signer, signedBytes, verifySignature } from './signed.ts'

/** Any binding is shorter: an attacker's is refused by its size. */
export const BINDING_BYTES_MAX = 512
/** A key that was lost speaks for its address no longer than this. */
export const BINDING_LIFE_MS_MAX = 30 * 24 * 3_600_000
/** Clocks differ; a binding from further ahead would outlive its time. */
const AHEAD_MS_MAX = 60_000
/** What is found of a binding whose time has not come: all that waiting can mend. */
export const BINDING_OF_LATER = 'in the future'
/** The last moment that a date can name (ECMA-262 §21.4.1.1). */
const TIME_MS_MAX = 8.64e15
const DOMAIN = 'p2p-foundation binding 1'
const FIELDS = 7
const VERIFIED_MAX = 4_096

/** What both keys say. */
export interface BindingClaim {
  readonly peer: PeerId
  readonly address: EthAddress
  readonly version: number
  readonly issuedMs: number
  readonly expiresMs: number
}

/** A claim with both signatures. */
export interface Binding extends BindingClaim {
  readonly ethSignature: Uint8Array
  readonly peerSignature: Uint8Array
}

/** Where and when a binding is to hold. */
export interface BindingRules {
  readonly network: string
  readonly nowMs: number
  /** When it must not have been over; now, unless it is said. */
  readonly heldMs?: number
}

/** What the ETH key signs, line by line; the network and the peer are those it speaks through. */
export function bindingText(claim: BindingClaim, network: string): string {
  const { peer, address, version, issuedMs, expiresMs } = claim
  return [
    DOMAIN,
    'I let this peer speak for this address until it expires.',
    `network: ${network}`,
    `address: ${address}`,
    `peer: ${peer}`,
    `version: ${version}`,
    `issued: ${new Date(issuedMs).toISOString()}`,
    `expires: ${new Date(expiresMs).toISOString()}`,
  ].join('\n')
}

/** A binding of the two signers, as bytes. */
export async function signBinding(
  said: Pick<BindingClaim, 'version' | 'issuedMs' | 'expiresMs'>,
  { eth, node }: { readonly eth: EthSigner; readonly node: Signer },
  network: string,
): Promise<Uint8Array> {
  const claim = { ...said, peer: node.peer, address: eth.address }
  checkTimes(claim)
  const ethSignature = eth.signMessage(bindingText(claim, network))
  const peerSignature = await node.sign(peerPart(claim, ethSignature, network))
  return encode({ ...claim, ethSignature, peerSignature })
}

/** Reads a binding of the right form, whole or not at all; nothing of it is verified yet. */
export function readBinding(bytes: Uint8Array): Binding {
  const fields = decodeCbor(bytes, 'binding', BINDING_BYTES_MAX)
  if (!(fields instanceof Map) || fields.size !== FIELDS) throw invalid('form', 'no map of seven')
  const binding = {
    peer: peerIdFromBytes(bytesAt(fields, 1, { field: 'peer' })),
    address: ethAddressFromBytes(bytesAt(fields, 2, { field: 'address', size: ETH_ADDRESS_BYTES })),
    version: numberAt(fields, 3, 'version'),
    issuedMs: numberAt(fields, 4, 'issue time'),
    expiresMs: numberAt(fields, 5, 'expiry'),
    ethSignature: bytesAt(fields, 6, { field: 'ETH signature', size: ETH_SIGNATURE_BYTES }),
    peerSignature: bytesAt(fields, 7, { field: 'peer signature', size: SIGNATURE_BYTES }),
  }
  checkTimes(binding)
  return binding
}

/** Reads a binding that holds now, in this network; throws what of it does not. */
export function openBinding(bytes: Uint8Array, rules: BindingRules): Binding {
  const { network, nowMs, heldMs = nowMs } = rules
  if (bytes.length > BINDING_BYTES_MAX) throw invalid('length', `${bytes.length} bytes`)
  const name = `${network}\n${hash('sha256', bytes, 'base64url')}`
  const known = verified.get(name)
  const binding = known ?? readBinding(bytes)
  if (binding.issuedMs > nowMs + AHEAD_MS_MAX) throw invalid('issue time', BINDING_OF_LATER)
  if (binding.version > nowMs + AHEAD_MS_MAX) throw invalid('version', BINDING_OF_LATER)
  if (binding.expiresMs <= heldMs) throw invalid('time', 'over')
  if (known !== undefined) return known
  checkSignatures(binding, network)
  verified.set(name, binding)
  return binding
}

/** By network and bytes: what was verified once holds until its time is over. */
const verified = new RecentMap<string, Binding>(VERIFIED_MAX)

/** The peer's first: it costs a tenth of the other. */
function checkSignatures(binding: Binding, network: string): void {
  const { peer, address, ethSignature, peerSignature } = binding
  if (!verifySignature(peer, peerPart(binding, ethSignature, network), peerSignature)) {
    throw invalid('peer signature', `not one of ${peer}`)
  }
  if (ethSignerOf(bindingText(binding, network), ethSignature) !== address) {
    throw invalid('ETH signature', `not one of ${address}`)
  }
}

function peerPart(claim: BindingClaim, ethSignature: Uint8Array, network: string): Uint8Array {
  const { peer, address, version, issuedMs, expiresMs } = claim
  const who = [peerIdToBytes(peer), ethAddressToBytes(address)]
  return signedBytes(DOMAIN, [network, ...who, version, issuedMs, expiresMs, ethSignature])
}

function encode(binding: Binding): Uint8Array {
  return encodeCbor(
    new Map<Cbor, Cbor>([
      [1, peerIdToBytes(binding.peer)],
      [2, ethAddressToBytes(binding.address)],
      [3, binding.version],
      [4, binding.issuedMs],
      [5, binding.expiresMs],
      [6, binding.ethSignature],
      [7, binding.peerSignature],
    ]),
  )
}

function checkTimes({ issuedMs, expiresMs }: BindingClaim): void {
  if (issuedMs > TIME_MS_MAX || expiresMs > TIME_MS_MAX) throw invalid('time', 'no date')
  const lifeMs = expiresMs - issuedMs
  if (lifeMs <= 0 || lifeMs > BINDING_LIFE_MS_MAX) {
    throw invalid('life', `${lifeMs} ms, at most ${BINDING_LIFE_MS_MAX}`)
  }
}

function bytesAt(
  fields: ReadonlyMap<Cbor, Cbor>,
  at: number,
  { field, size }: { readonly field: string; readonly size?: number },
): Uint8Array {
  const value = fields.get(at)
  if (!(value instanceof Uint8Array)) throw invalid(field, 'not bytes')
  if (size !== undefined && value.length !== size) throw invalid(field, `${value.length} bytes`)
  return value
}

function numberAt(fields: ReadonlyMap<Cbor, Cbor>, at: number, field: string): number {
  const value = fields.get(at)
  if (typeof value !== 'number' || value < 0) throw invalid(field, 'not a natural number')
  return value
}

function invalid(field: string, found: string) {
  return IdentityError.BINDING_INVALID({ field, found })
}
