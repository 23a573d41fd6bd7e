/**
 * What becomes of a message that was sent, as its sender may say it. Pure: no time, no disk.
 *
 *   queued ─▶ sent ─▶ stored ─▶ delivered ─▶ read      (any later one may follow directly)
 *     └────────┴────────┴─▶ expired | failed            (nobody confirmed it in time | refused)
 *
 * A state says what is proven and no more: `sent` was handed to somebody who may hand it on,
 * `stored` lies with nodes that said so, `delivered` and `read` the recipient has signed. States
 * only move forward, so whatever comes late, twice or out of order changes nothing.
 */

/** In the order in which a message goes through them; the last two end it at any place before. */
export const DELIVERY_STATES = [
  'queued',
  'sent',
  'stored',
  'delivered',
  'read',
  'expired',
  'failed',
] as const

/** One of `DELIVERY_STATES`. */
export type DeliveryState = (typeof DELIVERY_STATES)[number]

/** The state of one message of ours. */
export interface Delivery {
  /** Of the message, 32 hex digits. */
  readonly id: string
  /** An Ethereum address, a peer id, or `*` for everybody. */
  readonly to: string
  readonly state: DeliveryState
  /** Why it is no further; always there with `failed` and `expired`. */
  readonly reason?: string
  /** When it came to this state, in milliseconds since the Unix epoch. */
  readonly at: number
}

const OPEN: readonly DeliveryState[] = ['queued', 'sent', 'stored']
const WAY: readonly DeliveryState[] = ['queued', 'sent', 'stored', 'delivered', 'read']

/** Whether there is still something to do for a message in this state. */
export function isOpen(state: DeliveryState): boolean {
  return OPEN.includes(state)
}

/** Whether a message in state `from` may come to state `to`. */
export function mayFollow(from: DeliveryState, to: DeliveryState): boolean {
  if (to === 'expired' || to === 'failed') return isOpen(from)
  const at = WAY.indexOf(from)
  return at >= 0 && WAY.indexOf(to) > at
}

/** The delivery with what happened, or the very same one where that changes nothing. */
export function advanced(
  delivery: Delivery,
  next: Pick<Delivery, 'state' | 'reason' | 'at'>,
): Delivery {
  if (!mayFollow(delivery.state, next.state)) return delivery
  const { id, to } = delivery
  const { state, reason } = next
  // A clock that was set back does not make the later state the earlier one.
  const at = Math.max(delivery.at, next.at)
  return { id, to, state, ...(reason !== undefined && { reason }), at }
}
