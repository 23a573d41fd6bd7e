/**
 * Ethereum addresses and the signatures of their keys: secp256k1 and Keccak-256, by noble.
 *
 * An address is kept as its EIP-55 text, so two of them are equal exactly where their texts are.
 * What is signed is a text under EIP-191 ("personal_sign"), which no transaction can be mistaken
 * for and every wallet can show. A signature has one spelling: r, s and v of 27 or 28, with s in
 * the lower half of the order (EIP-2); the other half would be a second signature for nothing.
 */

import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { concatBytes, fromHex, type Random, toHex, utf8 } from '../base/index.ts'
import { IdentityError } from './errors.ts'
import { type PeerId, peerIdFromSecp256k1 } from './peer.ts'

declare const brand: unique symbol

/** The EIP-55 text of an address that was checked: only the functions below make one. */
export type EthAddress = string & { readonly [brand]: 'EthAddress' }

/** An address without its "0x". */
export const ETH_ADDRESS_BYTES = 20
/** r, s, v. */
export const ETH_SIGNATURE_BYTES = 65
export const ETH_KEY_BYTES = 32

const ADDRESS = /^0x[0-9a-fA-F]{40}$/
/** v is this and the parity of the point that was signed with. */
const V_MIN = 27
/** Half the order of the curve: s above it is the other spelling of a signature (EIP-2). */
const HALF_ORDER = secp256k1.Point.Fn.ORDER / 2n
const COORDINATE_BYTES = 32

/** Whoever holds the key of an address. The key itself stays behind this interface. */
export interface EthSigner {
  readonly address: EthAddress
  /** Signs a text, or bytes, under EIP-191: 65 bytes. */
  signMessage(message: string | Uint8Array): Uint8Array
}

/** Reads an address: all lower case, all upper case, or mixed as EIP-55 has it. */
export function ethAddress(text: string): EthAddress {
  if (!ADDRESS.test(text)) {
    throw IdentityError.ETH_ADDRESS_INVALID({ found: shown(text), reason: 'wanted 0x and 40 hex' })
  }
  const digits = text.slice(2)
  const address = withChecksum(digits.toLowerCase())
  const isPlain = digits === digits.toLowerCase() || digits === digits.toUpperCase()
  if (isPlain || text === address) return address
  const reason = 'its capital letters are not those of EIP-55, so a digit may be wrong'
  throw IdentityError.ETH_ADDRESS_INVALID({ found: shown(text), reason })
}

/** The address whose 20 bytes these are. */
export function ethAddressFromBytes(bytes: Uint8Array): EthAddress {
  if (bytes.length === ETH_ADDRESS_BYTES) return withChecksum(toHex(bytes))
  const [found, reason] = [`${bytes.length} bytes`, `wanted ${ETH_ADDRESS_BYTES}`]
  throw IdentityError.ETH_ADDRESS_INVALID({ found, reason })
}

/** The 20 bytes of an address. */
export function ethAddressToBytes(address: EthAddress): Uint8Array {
  return fromHex(address.slice(2).toLowerCase())
}

/** Whether a text is an address, and not a peer id or a name. */
export function isEthAddress(text: string): boolean {
  return ADDRESS.test(text)
}

/** A signer over a 32-byte secp256k1 key; throws for bytes that are no key. */
export function ethSigner(key: Uint8Array): EthSigner {
  if (!secp256k1.utils.isValidSecretKey(key)) throw IdentityError.ETH_KEY_INVALID({})
  const address = addressOf(secp256k1.getPublicKey(key, false))
  return { address, signMessage: (message) => signDigest(messageDigest(message), key) }
}

/** Bytes that are a key; one try in 2¹²⁸ is none and is made again. */
export function newEthKey(random: Random): Uint8Array {
  for (;;) {
    const key = random.bytes(ETH_KEY_BYTES)
    if (secp256k1.utils.isValidSecretKey(key)) return key
  }
}

/**
 * Reads a key as wallets and env files write it: 64 hex digits, with or without "0x". An error says
 * where it is `from`, and never what it was.
 */
export function ethKeyFromText(text: string, from?: string): Uint8Array {
  const given = from === undefined ? {} : { from }
  const digits = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(text.trim())?.[1]
  // What was found stays unsaid: it may be a key with one letter too many.
  if (digits === undefined) throw IdentityError.ETH_KEY_INVALID(given)
  const key = fromHex(digits.toLowerCase())
  if (!secp256k1.utils.isValidSecretKey(key)) throw IdentityError.ETH_KEY_INVALID(given)
  return key
}

/** Whose key signed `message` under EIP-191; `undefined` for what is no signature of ours. */
export function ethSignerOf(
  message: string | Uint8Array,
  signature: Uint8Array,
): EthAddress | undefined {
  return ethKeyOf(message, signature)?.address
}

/** The same, with the peer id that a node would have whose identity is this very key. */
export function ethKeyOf(
  message: string | Uint8Array,
  signature: Uint8Array,
): { readonly address: EthAddress; readonly peer: PeerId } | undefined {
  if (signature.length !== ETH_SIGNATURE_BYTES || !isLow(signature)) return undefined
  const parity = (signature.at(-1) ?? 0) - V_MIN
  if (parity !== 0 && parity !== 1) return undefined
  const recoverable = concatBytes(Uint8Array.of(parity), signature.subarray(0, -1))
  try {
    const found = secp256k1.recoverPublicKey(recoverable, messageDigest(message), {
      prehash: false,
    })
    const point = secp256k1.Point.fromBytes(found)
    const peer = peerIdFromSecp256k1(point.toBytes(true))
    return { address: addressOf(point.toBytes(false)), peer }
  } catch {
    // r or s out of range, or no point of the curve: nobody signed so.
    return undefined
  }
}

/** Keccak-256, as Ethereum hashes; not the SHA3-256 that was standardised later. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return keccak_256(bytes)
}

/** EIP-191, version 0x45: the length is that of the bytes, in decimal. */
function messageDigest(message: string | Uint8Array): Uint8Array {
  const bytes = typeof message === 'string' ? utf8(message) : message
  return keccak_256(concatBytes(utf8(`\x19Ethereum Signed Message:\n${bytes.length}`), bytes))
}

function signDigest(digest: Uint8Array, key: Uint8Array): Uint8Array {
  const signed = secp256k1.sign(digest, key, { prehash: false, format: 'recovered', lowS: true })
  const parity = signed[0] ?? 0
  return concatBytes(signed.subarray(1), Uint8Array.of(V_MIN + parity))
}

function isLow(signature: Uint8Array): boolean {
  const s = signature.subarray(COORDINATE_BYTES, 2 * COORDINATE_BYTES)
  return BigInt(`0x${toHex(s)}`) <= HALF_ORDER
}

/** The last 20 bytes of the hash of the point, without the byte that says "uncompressed". */
function addressOf(publicKey: Uint8Array): EthAddress {
  return withChecksum(toHex(keccak_256(publicKey.subarray(1)).subarray(-ETH_ADDRESS_BYTES)))
}

/** EIP-55: a letter is a capital where the digit of the hash at its place is 8 or more. */
function withChecksum(lower: string): EthAddress {
  const hash = toHex(keccak_256(utf8(lower)))
  const digits = Array.from(lower, (digit, i) => {
    return Number.parseInt(hash.charAt(i), 16) >= 8 ? digit.toUpperCase() : digit
  })
  return `0x${digits.join('')}` as EthAddress
}

function shown(text: string): string {
  return text.slice(0, 64).replaceAll(/\p{Cc}/gu, '·')
}
