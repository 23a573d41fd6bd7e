import type { ArgRule } from '../../access/index.ts'
import type { Command, Context, OptionSpec } from '../command.ts'
import { CliError } from '../errors.ts'
import { listOption, parsePeer, required, textOption } from '../options.ts'

const LIMITS: readonly OptionSpec[] = [
  { flags: '--to <peer id>', help: 'the peer that may' },
  { flags: '--tool <name>', help: 'only this tool; every tool of the service unless given' },
  {
    flags: '--arg <name=rule>',
    help: 'what an argument may be: name=equals:x, oneof:a,b, prefix:/x or max:10 (repeatable)',
    many: true,
  },
  {
    flags: '--expires <time>',
    help: 'how long it holds, such as 30m, 1h or 7d; a week unless given',
  },
  { flags: '--calls <number>', help: 'how many calls it is good for' },
]

export const grantGive: Command = {
  name: 'grant give',
  summary: 'Let a peer call tools of a service that is not public; prints the token to give to it',
  args: '<service>',
  options: LIMITS,
  examples: [
    'grant files --tool read_file --to 12D3KooW… --arg path=prefix:/home/me/shared --expires 1h',
    'grant notes --to 12D3KooW… --calls 10 --json',
  ],
  timeoutMs: 15_000,
  groupDefault: true,

  async run(context) {
    const { args, connect, out, self, signal } = context
    const service = required(args, 0, { command: 'grant', expected: 'the name of a service' })
    const limits = limitsOf(context, 'grant')
    await using node = await connect()
    const grant = await node.grant({ service, ...limits }, { signal })
    out.print(grant, () => [grant.token])
    out.note(`Grant ${grant.id}: ${grant.to} may call ${toolText(grant.rights)}.`)
    out.note(`The token is of use to that peer alone: ${self} grant accept <token>`)
    out.note(`It ends with: ${self} revoke ${grant.id}`)
  },
}

export const grantAccept: Command = {
  name: 'grant accept',
  summary: 'Keep a token that another node gave to this one; calls show it from now on',
  args: '<token>',
  examples: ['grant accept ggGBglh…'],
  timeoutMs: 15_000,

  async run({ args, connect, out, signal }) {
    const token = required(args, 0, { command: 'grant accept', expected: 'a token' })
    await using node = await connect()
    const held = await node.grantAccept(token, { signal })
    out.print(held, () => [`This node may call ${toolText(held.rights)} of ${held.issuer}`])
  },
}

export const grantDelegate: Command = {
  name: 'grant delegate',
  summary: 'Hand on less of a token that this node holds; prints the token for the next peer',
  args: '<from>',
  options: LIMITS,
  examples: ['grant delegate 3f0c… --to 12D3KooW… --tool read_file --expires 10m'],
  timeoutMs: 15_000,

  async run(context) {
    const { args, connect, out, signal } = context
    const what = { command: 'grant delegate', expected: 'the id of a held token, or a token' }
    const from = required(args, 0, what)
    const limits = limitsOf(context, 'grant delegate')
    await using node = await connect()
    const token = await node.grantDelegate({ from, ...limits }, { signal })
    out.print({ token }, () => [token])
  },
}

/** The tool and service that rights are for, as a person reads them. */
export function toolText({ service, tool }: { readonly service: string; readonly tool: string }) {
  return tool === '*' ? `every tool of "${service}"` : `"${tool}" of "${service}"`
}

function limitsOf({ options }: Context, command: string) {
  const to = textOption(options, 'to')
  if (to === undefined) throw CliError.USAGE({ command, expected: '--to with a peer id' })
  const tool = textOption(options, 'tool')
  const rules = listOption(options, 'arg') ?? []
  const expires = textOption(options, 'expires')
  const calls = textOption(options, 'calls')
  return {
    to: parsePeer(to, command),
    ...(tool !== undefined && { tool }),
    ...(rules.length > 0 && { args: rulesOf(rules, command) }),
    ...(expires !== undefined && { expiresInSeconds: parseLife(expires, command) }),
    ...(calls !== undefined && { callsMax: parseCalls(calls, command) }),
  }
}

function rulesOf(texts: readonly string[], command: string): Record<string, ArgRule> {
  return Object.fromEntries(texts.map((text) => parseRule(text, command)))
}

function parseRule(text: string, command: string): [string, ArgRule] {
  const [, name = '', kind = '', content = ''] = RULE.exec(text) ?? []
  if (kind === 'prefix' && content !== '') return [name, { kind, path: content }]
  if (kind === 'max' && /^-?\d{1,15}$/.test(content)) {
    return [name, { kind, limit: Number(content) }]
  }
  if (kind === 'equals') return [name, { kind, value: scalar(content) }]
  if (kind === 'oneof') return [name, { kind, values: content.split(',').map(scalar) }]
  const expected =
    '--arg to be name=equals:value, name=oneof:a,b, name=prefix:/folder or name=max:10, ' +
    `not "${text.slice(0, 80)}"`
  throw CliError.USAGE({ command, expected })
}

const RULE = /^([A-Za-z0-9_.$-]{1,64})=(equals|oneof|prefix|max):([\s\S]*)$/

/** `true`, `false` and whole numbers are what they look like; all else is text. */
function scalar(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }
const LIFE_SECONDS_MAX = 366 * 86_400

function parseLife(text: string, command: string): number {
  const [, digits, unit = 's'] = /^(\d{1,9})([smhd])?$/.exec(text) ?? []
  const seconds = Number(digits) * (UNIT_SECONDS[unit] ?? Number.NaN)
  if (seconds >= 1 && seconds <= LIFE_SECONDS_MAX) return seconds
  const expected = `--expires to be a time such as 30m, 1h or 7d, at most 366d, not "${text}"`
  throw CliError.USAGE({ command, expected })
}

function parseCalls(text: string, command: string): number {
  const calls = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (calls >= 1) return calls
  const expected = `--calls to be a number from 1 to 999999999, not "${text}"`
  throw CliError.USAGE({ command, expected })
}
