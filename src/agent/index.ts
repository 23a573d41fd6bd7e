/**
 * Floor 6. Agents: who speaks for an Ethereum address, and signed messages between them.
 *
 * In: records under `/eth/<address>`, notices on the topics `agent-announcements` and
 * `node-status`, envelopes of other agents. Out: where an address is, who is here, and what became
 * of each message. Start reading at `presence.ts`; what crosses the wire is in `notice.ts` and in
 * `envelope-codec.ts`.
 */

export { Agent } from './agent.ts'
export type { AgentEvents, AgentFace, InboxFace, SendOptions } from './agent-face.ts'
export type { AgentMessage } from './agent-message.ts'
export { Announcer } from './announcer.ts'
export type { Mailbox } from './attempts.ts'
export { type AgentConfig, agentConfig } from './config.ts'
export { DELIVERY_STATES, type Delivery, type DeliveryState } from './delivery.ts'
export { AgentError } from './errors.ts'
export type { PresenceEvents } from './events.ts'
export type { ListOptions, MessagePage, WaitOptions } from './inbox.ts'
export { type Collected, IncomingMail } from './incoming-mail.ts'
export { KeptMail } from './kept-mail.ts'
export { MailKeepers } from './mail-keepers.ts'
export { MailboxRounds } from './mailbox.ts'
export { MailError } from './mailbox-errors.ts'
export { MailboxHandler, type MailboxHandlerDeps } from './mailbox-handler.ts'
export { mailOrigin } from './mailbox-origin.ts'
export { type Addressee, CLOSER_MAX, mailboxKey } from './mailbox-protocol.ts'
export { MailStore } from './mailbox-store.ts'
export { MessageError } from './message-errors.ts'
export { MESSAGE_TOPIC } from './message-topic.ts'
export {
  mailMetrics,
  messageMetrics,
  presenceMetrics,
  type RegistryMetrics,
  registryMetrics,
} from './metrics.ts'
export { ANNOUNCEMENTS_TOPIC, STATUS_TOPIC, type StatusNumbers } from './notice.ts'
export { OutgoingMail } from './outgoing-mail.ts'
export { OwnRecord } from './own-record.ts'
export { type PreKeyStore, PreKeys } from './pre-keys.ts'
export { preKeysFile } from './pre-keys-file.ts'
export { type FoundAgent, Presence } from './presence.ts'
export {
  type GateRefusal,
  type GateVerdict,
  RegistryGate,
  type RegistryGateDeps,
} from './registry.ts'
export type { AgentChange, AgentInfo } from './roster.ts'
export type { Gate } from './sender-check.ts'
