/**
 * Small protobuf messages of libp2p's own protocols (relay, AutoNAT, DCUtR): a message is read as a
 * list of fields, each no longer than the message and no more than a bound.
 */

import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { WireError } from '../wire/index.ts'

/** One field: a number for varints and fixed64, bytes for all that has a length. */
export interface Field {
  readonly no: number
  readonly value: bigint | Uint8Array
}

const FIELDS_MAX = 64

/** The fields of `bytes` in their order; refuses what is no protobuf, or has too many. */
export function fieldsOf(bytes: Uint8Array, field: string): readonly Field[] {
  const fields: Field[] = []
  try {
    const reader = new BinaryReader(bytes)
    while (reader.pos < reader.len) {
      const [no, type] = reader.tag()
      if (fields.length >= FIELDS_MAX) throw WireError.MALFORMED({ field, found: 'many fields' })
      if (type === WireType.Varint) fields.push({ no, value: BigInt(reader.uint64()) })
      else if (type === WireType.Bit64) fields.push({ no, value: BigInt(reader.fixed64()) })
      else if (type === WireType.LengthDelimited) fields.push({ no, value: reader.bytes() })
      else reader.skip(type, no)
    }
  } catch (cause) {
    throw WireError.MALFORMED({ field, found: 'no protobuf' }, cause)
  }
  return fields
}

/** The last number of field `no`, as protobuf has it; undefined where there is none. */
export function numberIn(fields: readonly Field[], no: number): bigint | undefined {
  const found = fields.findLast((one) => one.no === no && typeof one.value === 'bigint')
  return found?.value as bigint | undefined
}

/** The last bytes of field `no`. */
export function bytesIn(fields: readonly Field[], no: number): Uint8Array | undefined {
  return allBytesIn(fields, no).at(-1)
}

/** All bytes of a field that repeats. */
export function allBytesIn(fields: readonly Field[], no: number): readonly Uint8Array[] {
  return fields.flatMap((one) => {
    return one.no === no && typeof one.value !== 'bigint' ? [one.value] : []
  })
}

/** Writes a message field by field; what is undefined is left out. */
export class Message {
  readonly #writer = new BinaryWriter()

  number(no: number, value: number | bigint | undefined): this {
    if (value !== undefined) this.#writer.tag(no, WireType.Varint).uint64(BigInt(value))
    return this
  }

  fixed64(no: number, value: bigint): this {
    this.#writer.tag(no, WireType.Bit64).fixed64(value)
    return this
  }

  bytes(no: number, value: Uint8Array | undefined): this {
    if (value !== undefined) this.#writer.tag(no, WireType.LengthDelimited).bytes(value)
    return this
  }

  finish(): Uint8Array {
    return this.#writer.finish()
  }
}
