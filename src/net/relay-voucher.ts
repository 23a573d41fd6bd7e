/**
 * The voucher of a reservation: the relay's word that it serves a peer, as a signed envelope
 * (libp2p RFC 0002) over the specification's payload. Nobody asks for one yet; others want it read.
 */

import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { concatBytes, utf8 } from '../base/index.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import { encodeFrame } from '../wire/index.ts'
import { Message } from './protobuf.ts'

const DOMAIN = 'libp2p-relay-rsvp'
/** The multicodec of `libp2p-relay-rsvp`. */
const PAYLOAD_TYPE = Uint8Array.of(0x03, 0x02)
const PART_BYTES_MAX = 1_024

export interface Voucher {
  readonly relay: PeerId
  readonly peer: PeerId
  readonly expiresAtMs: number
}

/** The voucher as bytes, signed with the relay's own key. */
export async function signVoucher(key: PrivateKey, voucher: Voucher): Promise<Uint8Array> {
  const payload = new Message()
    .bytes(1, peerIdToBytes(voucher.relay))
    .bytes(2, peerIdToBytes(voucher.peer))
    .number(3, Math.floor(voucher.expiresAtMs / 1_000))
    .finish()
  const signed = [utf8(DOMAIN), PAYLOAD_TYPE, payload].map((part) => {
    return encodeFrame('varint', part, PART_BYTES_MAX)
  })
  return new Message()
    .bytes(1, publicKeyToProtobuf(key.publicKey))
    .bytes(2, PAYLOAD_TYPE)
    .bytes(3, payload)
    .bytes(5, await key.sign(concatBytes(...signed)))
    .finish()
}
