/** Why a message is not kept for somebody, or not given out; the codes are of this room. */

import { defineErrors } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

/** Errors of keepers, and of those who ask them. */
export const MailError = defineErrors('AGENT', {
  MAIL_UNKEPT: {
    says: (f: { to: string; asked: number; reasons: string }) =>
      `Cannot leave message for ${f.to} now: none of ${f.asked} nodes took it` +
      `${f.reasons === '' ? '' : ` (${f.reasons})`}; it is tried again until it expires`,
    retryable: true,
  },
  MAIL_MALFORMED: {
    says: (f: { found: string }) =>
      `Cannot read what is asked of a mailbox: found ${f.found}; wanted what ` +
      'docs/protocols/agent.md says of its methods',
  },
  MAIL_NOT_KEPT_HERE: {
    says: (f: { to: string; reason: string }) => `Cannot keep message for ${f.to}: ${f.reason}`,
  },
  MAIL_FOREIGN: {
    says: (f: { by: PeerId; from: PeerId }) =>
      `Cannot keep message of ${f.from} that ${f.by} brings: its sender has to bring it itself`,
  },
  MAIL_RATE: {
    says: (f: { peer: PeerId; retryAfterMs: number }) =>
      `Cannot serve the mailbox of ${f.peer} now: it or all peers together asked too often; ` +
      `try again in ${f.retryAfterMs} ms`,
    retryable: true,
  },
  MAIL_CROWDED: {
    says: (f: { of: string; mails: number; bytes: number }) =>
      `Cannot keep message: ${f.mails} messages of ${f.bytes} bytes ${f.of} lie here already; ` +
      'ask another node, or later',
    retryable: true,
  },
  MAIL_NOT_YOURS: {
    says: (f: { peer: PeerId; to: string; reason: string }) =>
      `Cannot give messages for ${f.to} to ${f.peer}: ${f.reason}; wanted the peer itself, or ` +
      'a binding by which the address speaks through it',
  },
})
