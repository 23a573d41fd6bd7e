/**
 * The topic `agent-messages`: what is said to everybody, and sealed messages that found no stream.
 *
 * Its schema is an envelope of this network, in the right form and by the author of the gossip;
 * everything else about it is checked by whoever it is for.
 */

import type { PeerId } from '../identity/index.ts'
import type { TopicRules } from '../pubsub/index.ts'
import { type Envelope, readEnvelope } from './envelope-codec.ts'
import { EnvelopeError } from './envelope-errors.ts'
import { isOpenPondForm } from './openpond.ts'

/** Its name, in the network `main`. */
export const MESSAGE_TOPIC = 'agent-messages'
/** Of a whole envelope: no message on any topic is larger. */
export const TOPIC_BYTES_MAX = 512 * 1024
/** What an envelope has besides its body, at most. */
export const AROUND_BODY_BYTES = 2 * 1024
const PER_SENDER_PER_SECOND = 200
/** What is kept to give to those that miss it. */
const REPAIR = { keep: 512, bytesMax: 8 * 1024 * 1024 }

/** Of one peer that hands us messages in OpenPond's form, whoever wrote them. */
const BARE_PER_SECOND = 50

/** An envelope of which nothing is believed yet, but that its author handed it over. */
export interface Heard {
  readonly bytes: Uint8Array
  readonly envelope: Envelope
}

/** Text of OpenPond's nodes, of which nothing is believed. */
export interface HeardOpenPond {
  readonly openpond: Uint8Array
}

/** What the topic carries. */
export type OnTopic = Heard | HeardOpenPond

/** Bytes as they are on the wire; what they mean the schema says. */
const codec = {
  encode: (value: unknown) => {
    const heard = value as OnTopic
    return 'openpond' in heard ? heard.openpond : heard.bytes
  },
  decode: (bytes: Uint8Array) => bytes,
}

export interface TopicOptions {
  /** Whether messages in OpenPond's form are read. */
  readonly openpond?: boolean
  /** Told of what its author signed for the topic and is no message of this network, or not its. */
  readonly refused?: (author: PeerId, error?: unknown) => void
}

/**
 * The rules of the topic in this network. OpenPond's nodes have the same name for theirs and count
 * nothing: every node knows their form, so that none blames a peer for it, and few read it.
 */
export function messageTopicRules(
  network: string,
  { openpond = false, refused }: TopicOptions = {},
): TopicRules<OnTopic> {
  const schema = (value: unknown): OnTopic => {
    const bytes = value as Uint8Array
    return openpond && isOpenPondForm(bytes) ? { openpond: bytes } : heardOf(bytes, network)
  }
  return {
    schema,
    // What is counted is ours: nobody may say it in OpenPond's form.
    isAuthor: (heard, author: PeerId) => 'envelope' in heard && heard.envelope.from.peer === author,
    bare: { is: isOpenPondForm, perPeerPerSecond: BARE_PER_SECOND },
    codec,
    bytesMax: TOPIC_BYTES_MAX,
    perPeerPerSecond: PER_SENDER_PER_SECOND,
    repair: REPAIR,
    ...(refused !== undefined && { refused }),
  }
}

/** Throws for what is no envelope of this network. */
export function heardOf(value: unknown, network: string): Heard {
  const bytes = value as Uint8Array
  const envelope = readEnvelope(bytes)
  if (envelope.network === network) return { bytes, envelope }
  throw EnvelopeError.OTHER_NETWORK({ found: envelope.network, network })
}
