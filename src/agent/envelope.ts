/**
 * Envelopes made, and believed: nothing is done with a message before it passed here.
 *
 * The checks go from what costs nothing to what costs most: size, form, network, recipient, time,
 * binding, signature. Whether it came before is the caller's to know, who keeps the ids.
 */

import { hash } from 'node:crypto'
import { type CodedError, hasCode } from '../base/index.ts'
import {
  BINDING_OF_LATER,
  type Binding,
  type EthAddress,
  openBinding,
  type Signer,
  signedBytes,
  verifySignature,
} from '../identity/index.ts'
import {
  type Draft,
  type Envelope,
  headerOf,
  type Recipient,
  readEnvelope,
  recipientText,
} from './envelope-codec.ts'
import { EnvelopeError } from './envelope-errors.ts'
import { encodeEnvelope } from './envelope-parts.ts'
import { AHEAD_MS_MAX } from './protocol.ts'

const DOMAIN = 'p2p-foundation agent 1'

/** What a receiver holds a message against. */
export interface EnvelopeRules {
  readonly network: string
  readonly nowMs: number
  /** Whether messages for this recipient are taken here: ours, or kept for others. */
  readonly isFor: (to: Recipient) => boolean
}

/** Signs `draft`; throws where it is larger or lives longer than any receiver would take. */
export async function writeEnvelope(
  draft: Draft,
  signer: Pick<Signer, 'sign'>,
  { network }: { readonly network: string },
): Promise<Uint8Array> {
  const header = headerOf(draft, network)
  const signature = await signer.sign(signedPart(header, draft.body))
  return encodeEnvelope(header, draft.body, signature)
}

/** Reads a message and believes it, or throws the reason not to. Its body may still be sealed. */
export function openEnvelope(bytes: Uint8Array, rules: EnvelopeRules): Envelope {
  const envelope = readEnvelope(bytes)
  const { network, from, to, binding } = envelope
  if (network !== rules.network) {
    throw EnvelopeError.OTHER_NETWORK({ found: network, network: rules.network })
  }
  if (!rules.isFor(to)) {
    throw EnvelopeError.OTHER_RECIPIENT({ to: recipientText(to), from: from.peer })
  }
  checkTime(envelope, rules.nowMs)
  // A receipt says who got what, and no more; it may go in the clear.
  if (envelope.kind === 'message' && !('topic' in to) && envelope.preKey === undefined) {
    throw EnvelopeError.NOT_SEALED({ from: from.peer })
  }
  const address = binding && provenAddress(envelope, binding, rules.nowMs)
  const signed = signedPart(envelope.header, envelope.body)
  if (!verifySignature(from.peer, signed, envelope.signature)) {
    throw EnvelopeError.SIGNATURE_INVALID({ from: from.peer })
  }
  return address === undefined ? envelope : { ...envelope, from: { ...from, address } }
}

/** What receipts name: the SHA-256 of a whole envelope. */
export function envelopeHash(bytes: Uint8Array): Uint8Array {
  return sha256(bytes)
}

function checkTime({ sentAtMs, expiresAtMs }: Envelope, nowMs: number): void {
  const aheadMs = sentAtMs - nowMs
  if (aheadMs > AHEAD_MS_MAX) {
    throw EnvelopeError.FROM_FUTURE({ aheadMs, limitMs: AHEAD_MS_MAX })
  }
  if (expiresAtMs <= nowMs) throw EnvelopeError.EXPIRED({ agoMs: nowMs - expiresAtMs })
}

/**
 * A message that was kept may outlive its binding, and one that waited to be sealed may carry a
 * newer one than when it was sent: it must hold by now, and not have been over then.
 */
function provenAddress(envelope: Envelope, bytes: Uint8Array, nowMs: number): EthAddress {
  const { network, from, sentAtMs: heldMs } = envelope
  let binding: Binding
  try {
    binding = openBinding(bytes, { network, nowMs: Math.max(nowMs, heldMs), heldMs })
  } catch (cause) {
    if (isEarly(cause)) throw EnvelopeError.BINDING_EARLY({ from: from.peer }, cause)
    const found = cause instanceof Error ? cause.message : 'none that can be read'
    throw EnvelopeError.BINDING_INVALID({ from: from.peer, found }, cause)
  }
  if (binding.peer === from.peer) return binding.address
  throw EnvelopeError.BINDING_INVALID({ from: from.peer, found: `a binding of ${binding.peer}` })
}

/** Of a later time than now: then one of two clocks is wrong, and nobody need have forged it. */
function isEarly(error: unknown): boolean {
  if (!hasCode(error, 'IDENTITY_BINDING_INVALID')) return false
  const { found } = (error as CodedError<string, { readonly found?: unknown }>).facts
  return found === BINDING_OF_LATER
}

function signedPart(header: Uint8Array, body: Uint8Array): Uint8Array {
  return signedBytes(DOMAIN, [header, sha256(body)])
}

function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}
