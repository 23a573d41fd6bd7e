/** Keys and records for tests of the DHT: the same for the same number. */

import { seededRandom, utf8 } from '../../src/base/index.ts'
import { encodeRecord, signRecord } from '../../src/dht/record.ts'
import { parseRecordName, type RecordName } from '../../src/dht/validators.ts'
import { generateKeys, type Signer } from '../../src/identity/index.ts'

export const NETWORK = 'test'
export const WORK_BITS = 4

export function signerOf(seed: number): Signer {
  return generateKeys(seededRandom(`signer ${seed}`)).signer
}

/** The name `/data/<publisher>/<rest>`. */
export function dataName(signer: Signer, rest: string): RecordName {
  return parseRecordName(`/data/${signer.peer}/${rest}`)
}

export interface Said {
  readonly value?: string | Uint8Array
  readonly version?: number
  readonly issuedMs?: number
  readonly ttlSeconds?: number
  readonly network?: string
  readonly workBits?: number
}

/** The bytes of a record that holds, but for what `said` changes before signing. */
export async function recordBytes(
  name: RecordName,
  signer: Signer,
  said: Said = {},
): Promise<Uint8Array> {
  const { value = 'hello', version = 1, issuedMs = 0, ttlSeconds = 3_600 } = said
  const claim = {
    key: name.key,
    value: typeof value === 'string' ? utf8(value) : value,
    publisher: signer.peer,
    ttlSeconds,
    version,
    issuedMs,
  }
  const { network = NETWORK, workBits = WORK_BITS } = said
  return Uint8Array.from(encodeRecord(await signRecord(claim, signer, { network, workBits })))
}
