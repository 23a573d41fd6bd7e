import type { ControlClient } from '../../control/index.ts'
import type { Command } from '../command.ts'
import { CliError } from '../errors.ts'
import { wordOrInput } from '../input.ts'
import { flagOption, jsonOrText, parseDuration, required, textOption } from '../options.ts'
import { cleanLine, fields } from '../output.ts'

export const send: Command = {
  name: 'send',
  summary:
    'Send a message, or with - what is piped in, to an agent, sealed for it, or to everybody',
  args: '<to> <data>',
  options: [
    { flags: '--conversation <name>', help: 'what the message is part of' },
    { flags: '--reply-to <id>', help: 'the id of the message that this one answers' },
    { flags: '--openpond', help: "in OpenPond's form: in the clear, and no receipt comes" },
    { flags: '--expires <time>', help: 'try so long: 10m, 6h, 7d at most; a day unless given' },
  ],
  examples: [
    `send 0x52908400098527886E0F7030069857D2E4169EE7 '{"ask":"weather"}'`,
    'send 12D3KooW… hello',
    `send '*' 'I am here'`,
    'send 0x52908400098527886E0F7030069857D2E4169EE7 -',
  ],
  timeoutMs: 30_000,

  async run(context) {
    const { args, connect, options, out, signal } = context
    const to = required(args, 0, { command: 'send', expected: WHOM })
    if (!LIKE_A_RECIPIENT.test(to)) throw CliError.USAGE({ command: 'send', expected: WHOM })
    const word = required(args, 1, { command: 'send', expected: 'JSON or text to send' })
    const conversation = textOption(options, 'conversation')
    const replyTo = textOption(options, 'replyTo')
    const expires = textOption(options, 'expires')
    if (replyTo !== undefined && !LIKE_AN_ID.test(replyTo)) {
      throw CliError.USAGE({ command: 'send', expected: ID })
    }
    const text = await wordOrInput(word, context, { command: 'send', bytesMax: BODY_BYTES_MAX })
    await using node = await connect()
    const sent = {
      to,
      data: jsonOrText(text),
      ...(conversation !== undefined && { conversation }),
      ...(replyTo !== undefined && { replyTo }),
      ...(flagOption(options, 'openpond') && { form: 'openpond' as const }),
      ...(expires !== undefined && {
        expiresMs: parseDuration(expires, 'send', '--expires', LIFE_DAYS_MAX),
      }),
    }
    const delivery = await node.messageSend(sent, { signal })
    const isOpenPond = flagOption(options, 'openpond')
    out.print(delivery, (paint) => fields(rowsOf(delivery, isOpenPond), paint))
  },
}

/** As much as a message holds; the node itself says what of that JSON leaves. */
const BODY_BYTES_MAX = 512 * 1_024
const LIKE_AN_ID = /^[0-9a-f]{32}$/
const ID = 'after --reply-to the 32 hex digits of a message, as p2p messages --ids shows them'
/** No message lives longer. */
const LIFE_DAYS_MAX = 7
const WHOM =
  "an Ethereum address (0x…, as p2p agents lists them), a peer id, or '*' in quotes for everybody"
/** Whether an address or a peer id is a good one is for the node to say. */
const LIKE_A_RECIPIENT = /^(?:\*|0x.*|[1-9A-HJ-NP-Za-km-z]{40,})$/i

type Delivery = Awaited<ReturnType<ControlClient['messageSend']>>

function rowsOf({ id, to, state, reason }: Delivery, isOpenPond: boolean) {
  const isForAll = to === EVERYBODY
  const isUnsigned = state === 'sent' && (isForAll || isOpenPond)
  const said = isUnsigned ? TOLD : (MEANS[state] ?? state)
  return {
    Message: id,
    To: isForAll ? 'everybody' : to,
    State: `${state}: ${said}`,
    ...(reason !== undefined && { Why: shortened(cleanLine(reason)) }),
  }
}

/** Why each address did not answer fills a screen; `--json` has all of it. */
function shortened(text: string): string {
  return text.length <= WHY_CHARS_MAX ? text : `${text.slice(0, WHY_CHARS_MAX)}…`
}

const WHY_CHARS_MAX = 200
const EVERYBODY = '*'
const TOLD = 'told to all who listen now; nobody signs for that'
const MEANS: Readonly<Record<string, string>> = {
  queued: 'the node goes on trying until it expires',
  sent: 'on its way; no receipt yet',
  stored: 'kept for it, sealed, by nodes near its address',
  delivered: 'it has it, by its own signed word',
  read: 'it was read there, by its own signed word',
  expired: 'its time is over, and nobody took it',
  failed: 'it will not arrive',
}
