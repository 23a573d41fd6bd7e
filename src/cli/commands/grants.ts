import { ruleText } from '../../access/index.ts'
import type { Command, Context } from '../command.ts'
import { CliError } from '../errors.ts'
import { flagOption, required, textOption } from '../options.ts'
import { type Paint, table } from '../output.ts'

const AUDIT_SHOWN = 50
const AUDIT_MAX = 10_000

export const grants: Command = {
  name: 'grants',
  summary: 'List the grants that this node gave and those that it holds',
  options: [{ flags: '--audit', help: 'the last calls of peers instead, as "p2p audit"' }],
  examples: ['grants', 'grants --json', 'grants --audit'],
  timeoutMs: 15_000,

  async run(context) {
    const { connect, options, out, self, signal } = context
    if (flagOption(options, 'audit')) return printAudit(context, AUDIT_SHOWN)
    await using node = await connect()
    const found = await node.grants({ signal })
    out.print(found, (paint) => {
      const { issued, held } = found
      if (issued.length + held.length === 0) {
        return [`No grants. To give one: ${self} grant <service> --to <peer id>`]
      }
      return [...givenLines(issued, paint), ...heldLines(held, paint)]
    })
  },
}

export const revoke: Command = {
  name: 'revoke',
  summary: 'End a grant with all that was handed on of it, or drop a token that this node holds',
  args: '<id>',
  examples: ['revoke 3f0c5d2e9a7b4c1f8e6d0a1b2c3d4e5f'],
  timeoutMs: 15_000,

  async run({ args, connect, out, signal }) {
    const id = required(args, 0, { command: 'revoke', expected: 'the id of a grant' })
    if (!/^[0-9a-f]{32}$/.test(id)) {
      const expected = `an id as "p2p grants" shows it, 32 of 0-9 and a-f, not "${id.slice(0, 64)}"`
      throw CliError.USAGE({ command: 'revoke', expected })
    }
    await using node = await connect()
    await node.grantRevoke(id, { signal })
    out.print({ id, state: 'revoked' }, () => [`Grant ${id} is of no use any more`])
  },
}

export const audit: Command = {
  name: 'audit',
  summary: 'List the last calls of peers to tools of this node: who, what, by which grant, how',
  options: [{ flags: '--limit <number>', help: `how many at most; ${AUDIT_SHOWN} unless given` }],
  examples: ['audit', 'audit --limit 1000 --json'],
  timeoutMs: 15_000,

  async run(context) {
    const text = textOption(context.options, 'limit') ?? String(AUDIT_SHOWN)
    const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0
    if (limit < 1 || limit > AUDIT_MAX) {
      const expected = `--limit to be a number from 1 to ${AUDIT_MAX}, not "${text}"`
      throw CliError.USAGE({ command: 'audit', expected })
    }
    await printAudit(context, limit)
  },
}

async function printAudit({ connect, out, signal }: Context, limit: number): Promise<void> {
  await using node = await connect()
  const entries = await node.audit(limit, { signal })
  out.print(entries, (paint) => {
    if (entries.length === 0) return ['No peer has called a tool of this node yet']
    const rows = entries.map(({ atMs, peer, service, tool, grant, outcome, code, ms }) => [
      new Date(atMs).toISOString(),
      peer,
      service ?? '',
      tool,
      grant?.slice(0, 8) ?? '',
      code ?? outcome,
      String(Math.round(ms)),
    ])
    return table(['WHEN', 'PEER', 'SERVICE', 'TOOL', 'GRANT', 'OUTCOME', 'MS'], rows, paint)
  })
}

type Found = Awaited<ReturnType<Awaited<ReturnType<Context['connect']>>['grants']>>
type Rights = Found['issued'][number]['rights']

function givenLines(issued: Found['issued'], paint: Paint): string[] {
  if (issued.length === 0) return []
  const rows = issued.map(({ id, to, rights, state, calls }) => {
    const { callsMax } = rights
    const count = callsMax === null ? String(calls) : `${calls} of ${callsMax}`
    return [id, state, to, rights.service, rights.tool, rulesText(rights), endOf(rights), count]
  })
  const titles = ['GIVEN', 'STATE', 'TO', 'SERVICE', 'TOOL', 'WHERE', 'UNTIL', 'CALLS']
  return table(titles, rows, paint)
}

function heldLines(held: Found['held'], paint: Paint): string[] {
  if (held.length === 0) return []
  const rows = held.map(({ id, issuer, rights, state }) => {
    return [id, state, issuer, rights.service, rights.tool, rulesText(rights), endOf(rights)]
  })
  return table(['HELD', 'STATE', 'OF', 'SERVICE', 'TOOL', 'WHERE', 'UNTIL'], rows, paint)
}

function rulesText({ args }: Rights): string {
  return Object.entries(args)
    .map(([name, rule]) => `${name} ${ruleText(rule)}`)
    .join('; ')
}

function endOf({ expires }: Rights): string {
  return new Date(expires * 1_000).toISOString().slice(0, 16)
}
