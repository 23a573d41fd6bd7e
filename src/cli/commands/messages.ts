import { either } from '../../base/index.ts'
import type { ControlClient } from '../../control/index.ts'
import type { Command, Context } from '../command.ts'
import { CliError } from '../errors.ts'
import { flagOption, textOption } from '../options.ts'
import { cleanLine, type Paint } from '../output.ts'
import { timeText } from '../watch.ts'

const LIMIT_MAX = 200
const WAIT_MS = 30_000

export const messages: Command = {
  name: 'messages',
  summary: 'Show what agents sent to this one, the newest last',
  options: [
    { flags: '--limit <n>', help: 'at most so many; 50 unless given' },
    { flags: '--conversation <name>', help: 'only those of one conversation' },
    { flags: '--text <words>', help: 'only those with words that begin so' },
    { flags: '--ids', help: 'show the id of each, which send --reply-to takes' },
    { flags: '-f, --follow', help: 'go on with what comes, until Ctrl-C' },
  ],
  examples: ['messages', 'messages --ids --text weather', 'messages --follow --json'],
  timeoutMs: 10_000,
  endlessWith: 'follow',

  async run(context) {
    const { connect, options, out, signal } = context
    const query = queryOf(options)
    const isFollowed = flagOption(options, 'follow')
    if (isFollowed && query.text !== undefined) {
      throw CliError.USAGE({ command: 'messages', expected: '--text without --follow' })
    }
    await using node = await connect()
    // Those of other conversations are old as well: what is followed begins after all of them.
    const last = isFollowed ? await newest(node, signal) : 0
    const { messages: found } = await node.messages(query, { signal })
    const oldestFirst = found.toReversed()
    const line = (paint: Paint) =>
      flagOption(options, 'ids') ? idLineWith(paint) : lineWith(paint)
    if (!isFollowed) {
      out.print(oldestFirst, (paint) => {
        return oldestFirst.length === 0 ? ['No messages.'] : oldestFirst.map(line(paint))
      })
      return
    }
    const show = (message: ShownMessage) => out.print(message, (paint) => [line(paint)(message)])
    for (const message of oldestFirst) show(message)
    const after = Math.max(last, oldestFirst.at(-1)?.cursor ?? 0)
    const { conversation } = query
    await follow(context, {
      node,
      after,
      show,
      ...(conversation !== undefined && { conversation }),
    })
  },
}

export type ShownMessage = Awaited<ReturnType<ControlClient['messages']>>['messages'][number]

/** One message as one line, with nothing in it that moves the cursor. */
export function lineWith(paint: Paint): (message: ShownMessage) => string {
  return ({ from, data, receivedAt, broadcast, conversation, route }) => {
    const text = typeof data === 'string' ? data : JSON.stringify(data)
    const whom = `${from}${broadcast ? ' to everybody' : ''}${route === OPENPOND ? CLEAR : ''}`
    const where = conversation === undefined ? '' : paint('dim', ` [${cleanLine(conversation)}]`)
    return `${paint('dim', timeText(receivedAt))} ${paint('bold', whom)}${where} ${cleanLine(text)}`
  }
}

const OPENPOND = 'openpond'
/** Nothing of it was sealed, and an answer has to go the same way. */
const CLEAR = ' (openpond, in the clear)'

function idLineWith(paint: Paint): (message: ShownMessage) => string {
  const line = lineWith(paint)
  return (message) => `${message.id} ${line(message)}`
}

type Connected = Awaited<ReturnType<Context['connect']>>

/** The cursor of the newest message of all. */
async function newest(node: Connected, signal: AbortSignal): Promise<number> {
  const { messages } = await node.messages({ limit: 1 }, { signal })
  return messages[0]?.cursor ?? 0
}

interface Following {
  readonly node: Connected
  /** The cursor of the last message that is old. */
  readonly after: number
  readonly conversation?: string
  readonly show: (message: ShownMessage) => void
}

async function follow({ out, signal }: Context, following: Following): Promise<void> {
  const { node, show, after: from, ...which } = following
  using ended = either(signal, out.gone)
  const until = ended.signal
  let after = from
  try {
    while (!until.aborted) {
      const asked = { ...which, after, timeoutMs: WAIT_MS }
      const { message } = await node.messageNext(asked, { signal: until })
      if (message === null) continue
      after = message.cursor
      show(message)
    }
  } catch (error) {
    if (!until.aborted) throw error
  }
}

function queryOf(options: Context['options']) {
  const limit = textOption(options, 'limit')
  const conversation = textOption(options, 'conversation')
  const text = textOption(options, 'text')
  const count = limit === undefined ? undefined : Number(limit)
  if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= LIMIT_MAX)) {
    const expected = `--limit as a whole number from 1 to ${LIMIT_MAX}`
    throw CliError.USAGE({ command: 'messages', expected })
  }
  return {
    ...(count !== undefined && { limit: count }),
    ...(conversation !== undefined && { conversation }),
    ...(text !== undefined && { text }),
  }
}
