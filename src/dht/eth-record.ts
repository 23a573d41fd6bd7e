/**
 * The record `/eth/<address>`: which peer speaks for an Ethereum address, and by which keys it is
 * written to. Its value is deterministic CBOR of at most 2 KiB, a map of two or three:
 *
 *   key  field         type and limit
 *     1  binding       bytes, at most 512, signed by the address and by the peer
 *     2  pre-keys      a list of at most 4, read by whoever writes to the agent
 *     3  mailbox hint  bytes, at most 256; reserved
 *
 * The name of a record says whose it is, but for this one: an address names no peer. So the binding
 * says it: whoever publishes must be the peer that is bound, and the address the one in the name.
 * The version of the record is that of the binding: of two the one bound later is the record of the
 * address, everywhere, and a peer that the address has left cannot outbid it.
 */

import {
  BINDING_BYTES_MAX,
  type Binding,
  type BindingRules,
  type EthAddress,
  openBinding,
  readBinding,
} from '../identity/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import { DhtError } from './errors.ts'
import { type Claim, TTL_SECONDS_MAX } from './record.ts'

export const ETH_VALUE_BYTES_MAX = 2_048
/** Longer than other records: who writes to an agent that is away needs its keys. */
export const ETH_RECORD_SECONDS = TTL_SECONDS_MAX
const PRE_KEYS_MAX = 4
const HINT_BYTES_MAX = 256

/** What stands in the record of an address; pre-keys are for the room `agent` to read. */
export interface EthValue {
  readonly binding: Uint8Array
  readonly preKeys: readonly Cbor[]
  readonly hint?: Uint8Array
}

/** Where the record of an address stands. */
export function ethRecordKey(address: EthAddress): string {
  return `/eth/${address.toLowerCase()}`
}

/** The bytes of a value, which every reader takes; throws for one that none would. */
export function encodeEthValue({ binding, preKeys, hint }: EthValue): Uint8Array {
  const fields = new Map<Cbor, Cbor>([
    [1, binding],
    [2, preKeys],
  ])
  if (hint !== undefined) fields.set(3, hint)
  const bytes = encodeCbor(fields)
  readEthValue(bytes)
  return bytes
}

/** Reads a value of the right form; nothing of it is verified yet. */
export function readEthValue(bytes: Uint8Array): EthValue {
  const value = decodeCbor(bytes, 'value of an address', ETH_VALUE_BYTES_MAX)
  if (!(value instanceof Map)) throw invalid('value', 'no map')
  const fields: ReadonlyMap<Cbor, Cbor> = value
  const [binding, preKeys, hint] = [fields.get(1), fields.get(2), fields.get(3)]
  if (!(binding instanceof Uint8Array) || binding.length > BINDING_BYTES_MAX) {
    throw invalid('binding', `not bytes, at most ${BINDING_BYTES_MAX}`)
  }
  if (!Array.isArray(preKeys) || preKeys.length > PRE_KEYS_MAX) {
    throw invalid('pre-keys', `no list of at most ${PRE_KEYS_MAX}`)
  }
  const said = { binding, preKeys: preKeys as readonly Cbor[] }
  if (fields.size === 2) return said
  if (fields.size > 3 || !(hint instanceof Uint8Array) || hint.length > HINT_BYTES_MAX) {
    throw invalid('mailbox hint', `not bytes, at most ${HINT_BYTES_MAX}`)
  }
  return { ...said, hint }
}

/** Reads a value whose binding holds now, in this network. */
export function openEthValue(
  bytes: Uint8Array,
  rules: BindingRules,
): Omit<EthValue, 'binding'> & { readonly binding: Binding } {
  const value = readEthValue(bytes)
  return { ...value, binding: openBinding(value.binding, rules) }
}

/** What only its form says of a record: cheap, for what is garbage must cost us little. */
export function checkEthForm(address: EthAddress, claim: Claim): void {
  const binding = readBinding(readEthValue(claim.value).binding)
  if (binding.address !== address) throw invalid('binding', `one of ${binding.address}`)
  if (binding.peer !== claim.publisher) throw invalid('publisher', 'not the peer that is bound')
  if (binding.version !== claim.version) throw invalid('version', 'not that of its binding')
}

/** Whether both keys signed the binding, for now: last, for it takes longest. */
export function checkEthProof(claim: Claim, rules: BindingRules): void {
  openBinding(readEthValue(claim.value).binding, rules)
}

function invalid(field: string, found: string) {
  return DhtError.RECORD_INVALID({ field, found })
}
