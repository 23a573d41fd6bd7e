/**
 * The tools by which an assistant of this node writes to other agents and reads what they wrote.
 * They speak for the owner, so nobody else may call them, whatever was granted.
 */

import { z } from 'zod'
import type { AgentFace, AgentMessage } from '../../agent/index.ts'
import { type Clock, utf8 } from '../../base/index.ts'
import {
  type EthAddress,
  ethAddress,
  isEthAddress,
  type PeerId,
  peerId,
} from '../../identity/index.ts'
import type { Tool } from '../../mcp/index.ts'
import { standardTool } from './define.ts'
import { byteLength, peerText, shownBytes } from './texts.ts'

/** What the tools of messages ask of the node. */
export interface AgentToolsDeps {
  readonly agent: Pick<AgentFace, 'send' | 'broadcast' | 'inbox'>
  readonly clock: Clock
}

const BODY_BYTES_MAX = 512 * 1_024
const WAIT_MS_MAX = 300_000
const WAIT_MS = 30_000
const EXPIRES_MS_MAX = 7 * 86_400_000
const EVERYBODY = '*'

const agentText = z.union([
  z.string().refine(isEthAddress, { error: 'wanted an Ethereum address, 0x and 40 hex digits' }),
  peerText,
])
const conversation = z.string().min(1).max(64).optional()
const cursor = z.int().min(0).optional()

const messageShape = z.object({
  id: z.string(),
  from: z.string().describe('The Ethereum address of the sender, or its peer id'),
  from_peer: z.string(),
  to: z.string(),
  body: z.string(),
  encoding: z.enum(['utf8', 'base64']),
  content_type: z.string().optional(),
  conversation: z.string().optional(),
  reply_to: z.string().optional(),
  sent_at: z.int(),
  received_at: z.int(),
  read: z.boolean(),
  broadcast: z.boolean(),
  route: z.string().describe('How it came; openpond: in the clear, not sealed'),
  cursor: z.int(),
})

export function agentTools(deps: AgentToolsDeps): readonly Tool[] {
  return [sendMessage(deps), listMessages(deps), waitForMessage(deps)]
}

function sendMessage({ agent }: AgentToolsDeps): Tool {
  return standardTool(
    'send_message',
    {
      title: 'Send a message to an agent',
      description:
        'Sends a text to another agent by its Ethereum address or peer id, sealed so that only ' +
        'it can read it, or to everybody ("*"). Says how far it has come: delivered means that ' +
        'the recipient signed for it; sent and stored are on the way; queued is tried again ' +
        'until it expires; failed says why.',
      idempotent: false,
      input: z.strictObject({
        to: z.union([z.literal(EVERYBODY), agentText]).describe('For whom; "*" is everybody'),
        body: z
          .string()
          .refine((text) => byteLength(text) <= BODY_BYTES_MAX, { error: 'wanted at most 512 KiB' })
          .describe('The text, at most 512 KiB in UTF-8'),
        content_type: z.string().min(1).max(64).optional().describe('As text/plain'),
        conversation: conversation.describe('What the message belongs to'),
        reply_to: z.string().length(32).optional().describe('The id of the message it answers'),
        expires_ms: z
          .int()
          .min(1)
          .max(EXPIRES_MS_MAX)
          .optional()
          .describe('How long it is tried and kept; a day unless configured otherwise'),
      }),
      output: z.object({
        id: z.string(),
        to: z.string(),
        state: z.string(),
        reason: z.string().optional(),
        at: z.int(),
      }),
    },
    async ({ to, body, ...said }, { signal }) => {
      const { content_type: contentType, conversation, reply_to: replyTo } = said
      const options = {
        signal,
        ...(contentType !== undefined && { contentType }),
        ...(conversation !== undefined && { conversation }),
        ...(replyTo !== undefined && { replyTo }),
        ...(said.expires_ms !== undefined && { expiresMs: said.expires_ms }),
      }
      if (to === EVERYBODY) return { ...(await agent.broadcast(utf8(body), options)) }
      return { ...(await agent.send(to, utf8(body), options)) }
    },
  )
}

function listMessages({ agent }: AgentToolsDeps): Tool {
  return standardTool(
    'list_messages',
    {
      title: 'List messages of agents',
      description:
        'Messages that other agents sent to this one, newest first, narrowed by sender, ' +
        'conversation, time or words. A page ends with a cursor where there are more.',
      readOnly: true,
      input: z.strictObject({
        from: agentText.optional().describe('Only of this sender'),
        conversation: conversation.describe('Only of this conversation'),
        since: z.int().min(0).optional().describe('Received since, in ms since the Unix epoch'),
        text: z.string().min(1).max(256).optional().describe('Words that begin words of the text'),
        cursor: cursor.describe('Where another page ended'),
        limit: z.int().min(1).max(100).default(20).describe('How many to list at most'),
      }),
      output: z.object({ messages: z.array(messageShape), cursor: z.int().optional() }),
    },
    async ({ from, limit, ...filter }) => {
      const page = agent.inbox.list({ ...given({ ...filter, from: senderOf(from) }), limit })
      const messages = page.messages.map(shown)
      return { messages, ...(page.cursor !== undefined && { cursor: page.cursor }) }
    },
  )
}

function waitForMessage({ agent, clock }: AgentToolsDeps): Tool {
  return standardTool(
    'wait_for_message',
    {
      title: 'Wait for a message of an agent',
      description:
        'Waits for the next message that another agent sends, or gives the first one after a ' +
        'cursor that is there already. Its sender is told that it was read. Null when none came.',
      idempotent: false,
      input: z.strictObject({
        from: agentText.optional().describe('Only of this sender'),
        conversation: conversation.describe('Only of this conversation'),
        after: cursor.describe('The cursor of the last message that was seen'),
        timeout_ms: z.int().min(0).max(WAIT_MS_MAX).default(WAIT_MS).describe('How long to wait'),
      }),
      output: z.object({ message: messageShape.nullable() }),
    },
    async ({ from, timeout_ms: timeoutMs, ...filter }, { signal }) => {
      using deadline = clock.deadline(timeoutMs, signal)
      const wanted = { ...given({ ...filter, from: senderOf(from) }), signal: deadline.signal }
      try {
        const message = await agent.inbox.wait(wanted)
        await agent.inbox.read(message.id)
        return { message: shown({ ...message, read: true }) }
      } catch (error) {
        if (signal.aborted || !deadline.signal.aborted) throw error
        return { message: null }
      }
    },
  )
}

function senderOf(from: string | undefined): EthAddress | PeerId | undefined {
  if (from === undefined) return undefined
  return isEthAddress(from) ? ethAddress(from) : peerId(from)
}

/** Without what was not said: an option that is named and undefined is none. */
function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const said = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(said) as { [K in keyof T]: Exclude<T[K], undefined> }
}

function shown(message: AgentMessage) {
  const { id, from, to, contentType, conversation, replyTo, read, broadcast, cursor } = message
  const { value: body, encoding } = shownBytes(message.body)
  return {
    id,
    from: from.address ?? from.peer,
    from_peer: from.peer,
    to,
    body,
    encoding,
    ...(contentType !== undefined && { content_type: contentType }),
    ...(conversation !== undefined && { conversation }),
    ...(replyTo !== undefined && { reply_to: replyTo }),
    sent_at: message.sentAt,
    received_at: message.receivedAt,
    read,
    broadcast,
    route: message.route,
    cursor,
  }
}
