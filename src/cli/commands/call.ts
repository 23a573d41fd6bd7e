import { resolve } from 'node:path'
import { CodedError } from '../../base/index.ts'
import { explanationIn } from '../../control/index.ts'
import type { CallResult } from '../../mcp/index.ts'
import { isJsonObject } from '../../wire/index.ts'
import { explained } from '../call-explained.ts'
import type { Command, Context } from '../command.ts'
import { CliError } from '../errors.ts'
import { wordOrInput } from '../input.ts'
import {
  ARGS_BYTES_MAX,
  flagOption,
  listOption,
  parsePeer,
  parseToolArgs,
  required,
  textOption,
} from '../options.ts'
import { clean } from '../output.ts'
import { checkPlace, printResult, writeResult } from '../result-file.ts'
import type { NodeClient } from '../rooms.ts'

/** As long as the API lets a call take. */
const CALL_MS_MAX = 3_600_000
const HEDGE_MS_MAX = 60_000

export const call: Command = {
  name: 'call',
  summary: 'Call a tool by name on whichever peer offers it, with - for what is piped in',
  args: '<tool> [json]',
  options: [
    { flags: '--service <name>', help: 'only the tool of this service' },
    { flags: '--peer <peer id>', help: 'only at this peer' },
    {
      flags: '--hedge <ms>',
      help: 'ask a second peer after so long, or "auto"; only for a tool that may run twice',
    },
    { flags: '--key <text>', help: 'the same for each repetition of this call: it runs once' },
    {
      flags: '--grant <token>',
      help: 'a token to show besides those that the node holds (repeatable)',
      many: true,
    },
    {
      flags: '--invitation <text>',
      help: 'the tool is of the blinded service that this invites to',
    },
    {
      flags: '--output <file>',
      help: 'write the result there as it comes, as JSON; - is standard output',
    },
    { flags: '--force', help: 'write over the file of --output' },
    { flags: '--explain', help: 'say who was considered and tried, and why' },
  ],
  examples: [
    `call get-sum '{"a":2,"b":40}'`,
    `call echo '{"message":"hello"}' --service everything --timeout 5s --json`,
    'call echo -',
  ],
  timeoutMs: 30_000,
  nodeKeepsTime: true,

  async run(context) {
    const { args, connect, options, out, signal, timeoutMs } = context
    const tool = required(args, 0, { command: 'call', expected: 'the name of a tool' })
    const words = { command: 'call', bytesMax: ARGS_BYTES_MAX }
    const toolArgs = parseToolArgs(await wordOrInput(args[1] ?? '{}', context, words))
    if (timeoutMs !== undefined && timeoutMs > CALL_MS_MAX) {
      throw CliError.USAGE({ command: 'call', expected: '--timeout of at most 60m' })
    }
    const service = textOption(options, 'service')
    const wanted = textOption(options, 'peer')
    const peer = wanted === undefined ? undefined : parsePeer(wanted, 'call')
    const key = textOption(options, 'key')
    const hedge = parseHedge(options.hedge)
    const explain = flagOption(options, 'explain')
    const grants = listOption(options, 'grant')
    const invitation = textOption(options, 'invitation')
    const output = outputOf(context)
    if (output !== undefined && output !== '-') await checkPlace(output, isForced(context))
    await using node = await connect()
    const request = {
      tool,
      args: toolArgs,
      ...(service && { service }),
      ...(peer && { peer }),
      ...(timeoutMs && { timeoutMs }),
      ...(key && { key }),
      ...(hedge && { hedge }),
      ...(explain && { explain }),
      ...(grants && { grants }),
      ...(invitation && { invitation }),
    }
    if (output !== undefined) {
      await toOutput(context, node, { request, output })
      return
    }
    const result = await node.call(request, { signal }).catch((error: unknown) => {
      const facts = error instanceof CodedError && explain ? (error as CodedError).facts : undefined
      const why = explanationIn(facts)
      if (why !== undefined) for (const line of explained(why, out.paint)) out.note(line)
      throw error
    })
    out.print(result, () => lines(result))
    if (result.explain) for (const line of explained(result.explain, out.paint)) out.note(line)
    if (result.isError === true) throw CliError.TOOL_FAILED({ tool, peer: result.peer })
  },
}

/** The file to write to; `-` is standard output. */
function outputOf({ options, cwd }: Context): string | undefined {
  const output = textOption(options, 'output')
  if (output === undefined && !flagOption(options, 'force')) return undefined
  if (output === undefined || flagOption(options, 'explain')) {
    throw CliError.USAGE({ command: 'call', expected: '--force with --output, without --explain' })
  }
  return output === '-' ? output : resolve(cwd, output)
}

function isForced({ options }: Context): boolean {
  return flagOption(options, 'force')
}

async function toOutput(
  context: Context,
  node: NodeClient,
  {
    request,
    output,
  }: { readonly request: Parameters<NodeClient['callOutput']>[0]; readonly output: string },
): Promise<void> {
  const { out, signal } = context
  const incoming = await node.callOutput(request, { signal })
  const { head } = incoming
  const failed =
    output === '-'
      ? await printResult(out, incoming)
      : await writeResult(output, incoming, { force: isForced(context), signal })
  if (output !== '-') {
    const told = { file: output, ...head, isError: failed }
    out.print(told, () => [`${head.bytes} bytes of peer ${head.peer} in ${clean(output)}`])
  }
  if (failed) throw CliError.TOOL_FAILED({ tool: request.tool, peer: head.peer })
}

/** Milliseconds, or true where nobody said how many. */
function parseHedge(value: unknown): number | true | undefined {
  if (value === undefined) return undefined
  if (value === 'auto') return true
  const ms = Number(value)
  if (Number.isSafeInteger(ms) && ms >= 1 && ms <= HEDGE_MS_MAX) return ms
  throw CliError.USAGE({
    command: 'call',
    expected: `--hedge from 1 to ${HEDGE_MS_MAX} ms, or auto`,
  })
}

/** The text of the answer; what a terminal cannot show is named instead. */
function lines({ content, structuredContent }: CallResult): string[] {
  if (content.length > 0) return content.map(block)
  return structuredContent === undefined ? [] : [clean(JSON.stringify(structuredContent, null, 2))]
}

function block(value: unknown): string {
  if (!isJsonObject(value)) return clean(String(value))
  const { type, text, mimeType, data, uri, resource } = value
  if (type === 'text' && typeof text === 'string') return clean(text)
  if (isJsonObject(resource) && typeof resource.text === 'string') return clean(resource.text)
  const kind = [type, mimeType, uri].filter((part) => typeof part === 'string').join(' ')
  const size = typeof data === 'string' ? `, ${data.length} characters of base64` : ''
  return clean(`[${kind}${size}; --json prints it whole]`)
}
