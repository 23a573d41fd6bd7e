/** What gRPC needs of the agent of a node; the agent room has all of it, a test fakes it. */

/** How far a message has come. */
export interface ServedDelivery {
  readonly id: string
  readonly to: string
  readonly state: string
  readonly reason?: string
  readonly at: number
}

/** A message that has arrived, verified. */
export interface ServedMessage {
  readonly id: string
  readonly from: { readonly peer: string; readonly address?: string }
  readonly to: string
  readonly body: Uint8Array
  readonly conversation?: string
  readonly replyTo?: string
  readonly sentAt: number
  readonly contentType?: string
  readonly receivedAt?: number
  readonly broadcast?: boolean
  /** How it came. */
  readonly route?: string
}

/** An agent that the node knows of. */
export interface ServedAgentInfo {
  readonly address: string
  readonly peer: string
  readonly name?: string
  readonly connectedSince?: number
}

export interface SendOptions {
  readonly signal?: AbortSignal
  readonly conversation?: string
  readonly replyTo?: string
  readonly expiresMs?: number
  readonly contentType?: string
  readonly form?: 'openpond'
}

/** The messages that this agent was sent, in the order in which they came. */
export interface ServedInbox {
  /** One page, the newest first. */
  list(options: MessageQuery): {
    readonly messages: readonly KeptMessage[]
    readonly cursor?: number
  }
  /** The first after this place, or the next that comes. */
  wait(options: WaitQuery): Promise<KeptMessage>
  /** It was read: its sender is told, and it makes room when room is needed. */
  read?(id: string): Promise<unknown>
}

/** A message with its place in the inbox. */
export type KeptMessage = ServedMessage & { readonly cursor: number }

/** Which messages; what is not named does not matter. */
export interface MessageQuery {
  readonly limit?: number
  readonly cursor?: number
  readonly conversation?: string
  readonly text?: string
}

/** Which message is waited for. */
export interface WaitQuery {
  readonly after?: number
  /** With `after`: up to this message, only those that nobody has read. */
  readonly unreadUpTo?: number
  readonly conversation?: string
  readonly signal?: AbortSignal
}

export interface ServedAgent {
  readonly address?: string | null | undefined
  readonly inbox: ServedInbox
  send(to: string, body: Uint8Array, options: SendOptions): Promise<ServedDelivery>
  broadcast(body: Uint8Array, options: SendOptions): Promise<ServedDelivery>
  on(event: 'delivery', listener: (delivery: ServedDelivery) => void): () => void
  agents(): readonly ServedAgentInfo[] | Promise<readonly ServedAgentInfo[]>
}

/**
 * Whoever is handed messages as they come has read them. What is never read fills the inbox in the
 * end; where it cannot be noted now, the message is as one that nobody was handed.
 */
export function markRead({ inbox }: Pick<ServedAgent, 'inbox'>, id: string): void {
  void inbox.read?.(id).catch(() => undefined)
}
