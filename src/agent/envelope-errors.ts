/**
 * Why a message is refused, before anything else happens with it; the codes are of this room, as
 * in `errors.ts`. Each row is counted under its code, so that who floods us with what is seen.
 */

import { defineErrors } from '../base/index.ts'

export const EnvelopeError = defineErrors('AGENT', {
  TOO_LARGE: {
    says: (f: { what: string; size: number; limit: number }) =>
      `Cannot take ${f.what} of ${f.size} bytes: the limit is ${f.limit}; ` +
      'put what is larger into records and send its address',
  },
  ENVELOPE_INVALID: {
    says: (f: { found: string }) =>
      `Cannot read message: found ${f.found}; wanted an envelope as docs/protocols/agent.md has it`,
  },
  OTHER_NETWORK: {
    says: (f: { found: string; network: string }) =>
      `Cannot take message: it was signed for network "${f.found}", and this is "${f.network}"`,
  },
  OTHER_RECIPIENT: {
    says: (f: { to: string; from: string }) =>
      `Cannot take message of ${f.from}: it is for ${f.to}, not for us`,
  },
  FROM_FUTURE: {
    says: (f: { aheadMs: number; limitMs: number }) =>
      `Cannot take message: it was sent ${f.aheadMs} ms from now; wanted at most ${f.limitMs}; ` +
      'set the clocks of both ends',
    retryable: true,
  },
  EXPIRED: {
    says: (f: { agoMs: number }) =>
      `Cannot take message: it expired ${f.agoMs} ms ago; its sender has to send a new one`,
  },
  BINDING_INVALID: {
    says: (f: { from: string; found: string }) =>
      `Cannot believe the address of ${f.from}: found ${f.found}; wanted a binding that both the ` +
      'address and this peer signed and that was not over when the message was sent',
  },
  BINDING_EARLY: {
    says: (f: { from: string }) =>
      `Cannot believe the address of ${f.from} yet: its binding is of a later time than it is ` +
      'here; set the clocks of both ends',
    retryable: true,
  },
  SIGNATURE_INVALID: {
    says: (f: { from: string }) =>
      `Cannot take message of ${f.from}: its signature does not hold over what came`,
  },
  NOT_SEALED: {
    says: (f: { from: string }) =>
      `Cannot take message of ${f.from}: it is for one recipient and its body is in the clear; ` +
      'seal it against a pre-key of the recipient',
  },
  PRE_KEY_INVALID: {
    says: (f: { found: string }) =>
      `Cannot use pre-key: found ${f.found}; wanted one its owner signed that has not expired; ` +
      "look the recipient's record up again",
  },
  PRE_KEY_GONE: {
    says: (f: { preKey: string }) =>
      `Cannot open message: pre-key ${f.preKey} is not here (any more); ` +
      'its sender has to seal it again against a newer one',
  },
  BODY_CLOSED: {
    says: (f: { from: string }) =>
      `Cannot open message of ${f.from}: its body was not sealed for us under this header`,
  },
  PRE_KEYS_FILE: {
    says: (f: { file: string; reason: string }) =>
      `Cannot use the pre-keys in "${f.file}": ${f.reason}; mend it or move it away, ` +
      'after which messages on their way to this node cannot be opened',
  },
  RECEIPT_INVALID: {
    says: (f: { found: string }) =>
      `Cannot take receipt: found ${f.found}; wanted the recipient's word on this very message`,
  },
  OPENPOND_INVALID: {
    says: (f: { found: string }) => `Cannot read a message in OpenPond's form: found ${f.found}`,
  },
})
