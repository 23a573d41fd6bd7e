/** What the operations on messages do: hand one to the agent of the node, and read what came. */

import { type Clock, hasCode } from '../base/index.ts'
import type { Answer } from './api.ts'
import { ControlError } from './errors.ts'
import type { Routes } from './routes.ts'
import type { KeptMessage, ServedInbox } from './served-agent.ts'
import type { ServedNode } from './served-node.ts'
import { BODY_BYTES_MAX, bodyOf, dataOf, JSON_TYPE } from './stdio-data.ts'

const EVERYBODY = '*'

type Within = <T>(
  limits: { readonly timeoutMs?: number; readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
) => Promise<T>

/** The part of the table that stands in `shapes/messages/api.ts`. */
export function messageRoutes(
  { agent }: Pick<ServedNode, 'agent'>,
  within: Within,
  clock: Clock,
): Pick<Routes, 'messageSend' | 'messages' | 'messageNext'> {
  return {
    async messageSend({ to, data, timeoutMs, ...options }, signal) {
      const speaker = speaking(agent)
      const body = bodyOf(data ?? null, options.form)
      if (body.length > BODY_BYTES_MAX) throw ControlError.BODY_TOO_LARGE({ limit: BODY_BYTES_MAX })
      const limits = { ...(timeoutMs !== undefined && { timeoutMs }), signal }
      return within(limits, (ended) => {
        const sending = { ...options, contentType: JSON_TYPE, signal: ended }
        return to === EVERYBODY ? speaker.broadcast(body, sending) : speaker.send(to, body, sending)
      })
    },
    async messages(query) {
      const { messages, cursor } = inboxOf(agent).list(query)
      return { messages: messages.map(shown), ...(cursor !== undefined && { cursor }) }
    },
    async messageNext({ timeoutMs, ...which }, signal) {
      const inbox = inboxOf(agent)
      using deadline = clock.deadline(timeoutMs, signal)
      try {
        const message = await inbox.wait({ ...which, signal: deadline.signal })
        // Who waits for messages reads them. What is never read fills the inbox in the end.
        await inbox.read?.(message.id)
        return { message: shown(message) }
      } catch (error) {
        if (hasCode(error, 'BASE_DEADLINE')) return { message: null }
        throw error
      }
    },
  }
}

function speaking(agent: ServedNode['agent']): NonNullable<ServedNode['agent']> {
  if (agent === null || agent === undefined) throw ControlError.AGENT_UNAVAILABLE({})
  return agent
}

function inboxOf(agent: ServedNode['agent']): ServedInbox {
  return speaking(agent).inbox
}

type Shown = Answer<'messages'>['messages'][number]

function shown(message: KeptMessage): Shown {
  const { id, from, to, body, contentType, conversation, replyTo, sentAt, cursor } = message
  const { receivedAt = sentAt, broadcast = false, route } = message
  return {
    id,
    from: from.address ?? from.peer,
    peer: from.peer,
    to,
    ...dataOf(body, contentType),
    ...(conversation !== undefined && { conversation }),
    ...(replyTo !== undefined && { replyTo }),
    sentAt,
    receivedAt,
    broadcast,
    ...(route !== undefined && { route }),
    cursor,
  }
}
