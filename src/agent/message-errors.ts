/** What can go wrong between two agents; what an envelope can be has a table of its own. */

import { defineErrors } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

/** Errors of messages on their way, of the inbox and of the outbox. */
export const MessageError = defineErrors('AGENT', {
  MESSAGE_TOO_LARGE: {
    says: (f: { size: number; limit: number; how: string }) =>
      `Cannot send message ${f.how}: its body has ${f.size} bytes and the limit is ${f.limit}; ` +
      'send less, or a reference to where it lies',
  },
  MESSAGE_OPTION: {
    says: (f: { option: string; found: string; wanted: string }) =>
      `Cannot send message: ${f.option} is ${f.found}; wanted ${f.wanted}`,
  },
  MESSAGE_UNKNOWN: {
    says: (f: { id: string }) =>
      `Cannot read message "${f.id}": it is not in the inbox; it may have made room for newer ones`,
  },
  SENDER_RATE: {
    says: (f: { from: PeerId; retryAfterMs: number; of: 'peer' | 'node' }) =>
      `Cannot take message of ${f.from} now: it or all senders together sent too many; ` +
      `try again in ${f.retryAfterMs} ms`,
    retryable: true,
  },
  SENDER_REFUSED: {
    says: (f: { from: string; reason: string }) =>
      `Cannot take message of ${f.from}: the sender is ${f.reason}`,
  },
  AUTHOR_FOREIGN: {
    says: (f: { by: PeerId }) =>
      `Cannot take message that ${f.by} published: somebody else wrote it; who writes publishes`,
  },
  ID_TAKEN: {
    says: (f: { from: PeerId; id: string }) =>
      `Cannot take message "${f.id}" of ${f.from}: another one came under the same id; ` +
      'send it under an id of its own',
  },
  SENDER_UNCHECKED: {
    says: (f: { from: string }) =>
      `Cannot take message of ${f.from} now: the registry of agents cannot be asked; ` +
      'try again later',
    retryable: true,
  },
  CLOCK_BACK: {
    says: (f: { aheadMs: number }) =>
      `Cannot take message now: the clock here was set back by ${f.aheadMs} ms, and what was ` +
      'forgotten before may come again; try again later, or send what lives longer',
    retryable: true,
  },
  INBOX_FULL: {
    says: (f: { limit: string }) =>
      `Cannot take message now: the inbox has ${f.limit}; its owner has to read first`,
    retryable: true,
  },
  INBOX_WAITING: {
    says: (f: { limit: number }) =>
      `Cannot wait for a message: ${f.limit} others wait already; stop waiting somewhere, or list`,
  },
  OUTBOX_FULL: {
    says: (f: { limit: string }) =>
      `Cannot queue message: ${f.limit} wait already for recipients who did not confirm; ` +
      'wait for some to arrive or expire',
    retryable: true,
  },
  RECIPIENT_UNKNOWN: {
    says: (f: { to: string }) =>
      `Cannot reach agent ${f.to} now: nobody has a valid record of it; it may not have been ` +
      'online yet, and the message is tried again until it expires',
    retryable: true,
  },
  RECIPIENT_AWAY: {
    says: (f: { to: PeerId }) =>
      `Cannot reach peer ${f.to} now: it could not be asked for its keys; ` +
      'send to its Ethereum address to have the message kept for it while it is away',
    retryable: true,
  },
  RECIPIENT_NONE: {
    says: (f: { to: PeerId }) =>
      `Cannot send message to peer ${f.to}: it is no agent; start it with agent.enabled`,
  },
  RECIPIENT_KEYLESS: {
    says: (f: { to: string }) =>
      `Cannot seal message for ${f.to} now: no key of it is valid; ` +
      'it publishes new ones when it is online',
    retryable: true,
  },
  RECEIPT_FOREIGN: {
    says: (f: { by: PeerId }) =>
      `Cannot take receipt of ${f.by}: it names no message that this node sent to it`,
  },
  NOT_RUNNING: {
    says: () => 'Cannot take message: this agent is starting or stopping; try again later',
    retryable: true,
  },
  MESSAGES_FILE: {
    says: (f: { file: string; reason: string }) =>
      `Cannot use the messages in "${f.file}": ${f.reason}; free space or move the file away, ` +
      'which loses the messages in it',
    retryable: true,
  },
})
