/** A message between agents as this node keeps it: what its reader gets, and which one is meant. */

import type { EthAddress, PeerId } from '../identity/index.ts'

/** How a message came; `openpond` in the form of OpenPond's nodes: in the clear, of no network. */
export type Route = 'direct' | 'gossip' | 'mailbox' | 'self' | 'openpond'

/** One message as its reader gets it; its sender is proven by signatures. */
export interface AgentMessage {
  /** 32 hex digits, chosen by the sender. */
  readonly id: string
  readonly from: { readonly peer: PeerId; readonly address?: EthAddress }
  /** Our Ethereum address or peer id, or `*` where it is for everybody. */
  readonly to: string
  readonly body: Uint8Array
  readonly contentType?: string
  readonly conversation?: string
  readonly replyTo?: string
  readonly sentAt: number
  readonly receivedAt: number
  readonly read: boolean
  readonly broadcast: boolean
  readonly route: Route
  /** Grows with each message; where a list or a wait goes on. */
  readonly cursor: number
}

/** A message on its way in. */
export interface Incoming extends Omit<AgentMessage, 'cursor' | 'read' | 'receivedAt'> {
  readonly expiresAt: number
  /** Of its envelope: what a receipt names. */
  readonly hash: Uint8Array
}

/** Which messages; what is not named does not matter. */
export interface InboxFilter {
  /** Received at or after this, in milliseconds since the Unix epoch. */
  readonly since?: number
  readonly from?: EthAddress | PeerId
  readonly conversation?: string
  /** Words that all begin words of the body. */
  readonly text?: string
}

/** Whether the filter means a message that has just come; its words are not looked at. */
export function fits({ from, conversation, since }: InboxFilter, message: AgentMessage): boolean {
  const { peer, address } = message.from
  const isFrom = [peer, address?.toLowerCase()].includes(from && wayOf(from))
  if (from !== undefined && !isFrom) return false
  if (since !== undefined && message.receivedAt < since) return false
  return conversation === undefined || conversation === message.conversation
}

/** Whether this is an Ethereum address and no peer id, which begins otherwise. */
export function isAddress(to: string): to is EthAddress {
  return to.startsWith('0x')
}

/** The form in which recipients are compared: the case of an address is only a checksum. */
export function wayOf(to: string): string {
  return isAddress(to) ? to.toLowerCase() : to
}
