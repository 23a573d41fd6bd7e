/**
 * A message of ours as GossipSub sends it, signed (libp2p pubsub, "Message Signing").
 *
 *   Message   1 from · 2 data · 3 seqno, 8 bytes big-endian · 4 topic · 5 signature · 6 key
 *   signed    "libp2p-pubsub:" and the bytes of fields 1 to 4
 *
 * The library makes the numbers of its messages itself, from the time at which it was loaded; ours
 * say when each message was made (`sequence.ts`). So the message is made here, and everything
 * behind it is the library's.
 */

import { concatBytes, utf8 } from '../base/index.ts'
import { encodeVarint } from '../wire/index.ts'
import type { PublishConfig, RawMessage, Stock } from './stock.ts'

const PREFIX = utf8('libp2p-pubsub:')
const SEQUENCE_BYTES = 8
/** Longest multihash of an author that is worth a look among the messages seen. */
const AUTHOR_BYTES_MAX = 64

/** What a message says before it is signed. */
export type Unsigned = Required<Pick<RawMessage, 'from' | 'data' | 'seqno' | 'topic'>>

/** What the author signs. */
export function signedBytes({ from, data, seqno, topic }: Unsigned): Uint8Array {
  return concatBytes(PREFIX, field(1, from), field(2, data), field(3, seqno), field(4, utf8(topic)))
}

function sequenceBytes(sequence: bigint): Uint8Array {
  const bytes = new Uint8Array(SEQUENCE_BYTES)
  new DataView(bytes.buffer).setBigUint64(0, sequence)
  return bytes
}

/** Signs a message of ours and puts it where the router keeps what was seen and is told of. */
export async function authored(
  stock: Stock,
  { author, key, privateKey }: PublishConfig,
  said: { readonly wire: string; readonly data: Uint8Array; readonly sequence: bigint },
): Promise<RawMessage> {
  const { wire: topic, data, sequence } = said
  const from = author.toMultihash().bytes
  const unsigned = { from, data, seqno: sequenceBytes(sequence), topic }
  const signature = await privateKey.sign(signedBytes(unsigned))
  const message = { ...unsigned, signature, key }
  const msgId = await stock.msgIdFn({
    type: 'signed',
    from: author,
    data,
    sequenceNumber: sequence,
    topic,
    signature,
    key: privateKey.publicKey,
  })
  const msgIdStr = stock.msgIdToStrFn(msgId)
  // What comes back to us is known before its signature is looked at.
  stock.fastMsgIdCache.put(nameOf(message), msgIdStr)
  stock.seenCache.put(msgIdStr)
  stock.publishedMessageIds.put(msgIdStr)
  stock.mcache.put({ msgId, msgIdStr }, message, true)
  stock.gossipTracer.deliverMessage(msgIdStr)
  return message
}

/** Author and number name a message: one that was seen is known before its signature is checked. */
export function nameOf({ from, seqno }: Pick<RawMessage, 'from' | 'seqno'>): string {
  if (from === undefined || seqno === undefined || from.length > AUTHOR_BYTES_MAX) return ''
  return `${Buffer.from(from).toString('latin1')} ${Buffer.from(seqno).toString('latin1')}`
}

function field(number: number, value: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(number * 8 + 2), encodeVarint(value.length), value)
}
