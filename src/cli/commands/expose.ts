import { hasCode } from '../../base/index.ts'
import type { LeaseEvent } from '../../control/index.ts'
import type { Allow, ServiceSource, ServiceSpec, ServiceStatus } from '../../mcp/index.ts'
import type { Command, Context } from '../command.ts'
import { CliError } from '../errors.ts'
import { flagOption, listOption, parsePeer, textOption } from '../options.ts'
import { cleanLine, type Paint, table } from '../output.ts'
import { invitationTo, publicityOf } from '../publicity.ts'
import { count } from '../words.ts'

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

export const expose: Command = {
  name: 'expose',
  summary: 'Offer an MCP server to the network: a command spoken to over stdio, or a URL',
  args: '[command...]',
  options: [
    { flags: '--name <name>', help: 'name of the service: a-z, 0-9 and "-", at most 63' },
    { flags: '--url <url>', help: 'an MCP server over Streamable HTTP instead of a command' },
    { flags: '--env <name=value>', help: 'a variable for the command (repeatable)', many: true },
    {
      flags: '--allow <who>',
      help: 'who may call it: public (unless given), granted, or peer ids with commas between',
    },
    {
      flags: '--allow-tool <name=who>',
      help: 'the same for one of its tools (repeatable)',
      many: true,
    },
    { flags: '--tag <tag>', help: 'a word under which others find it (repeatable)', many: true },
    { flags: '--price <number>', help: 'of one call, in a unit that its users know' },
    { flags: '--unlisted', help: 'publish nothing: only who knows of it can ask for it' },
    { flags: '--invite', help: 'publish it blinded, and print an invitation to it' },
    { flags: '--detach', help: 'hand it to the node, which keeps it until "p2p unexpose"' },
  ],
  examples: [
    'expose --name everything -- npx -y @modelcontextprotocol/server-everything stdio',
    'expose --name notes --url http://127.0.0.1:3000/mcp --detach',
    'expose --name notes --tag writing --invite --url http://127.0.0.1:3000/mcp',
  ],

  async run(context) {
    const spec = specOf(context)
    if (flagOption(context.options, 'detach')) await handOver(spec, context)
    else await hold(spec, context)
  },
}

/** The node starts the service, keeps it and answers when it is ready. */
async function handOver(spec: ServiceSpec, { connect, out, self, signal }: Context) {
  await using node = await connect()
  const status = await node.expose(spec, { signal })
  failIfFailed(status)
  const invitation = await invitationTo(status, node, signal)
  const shown = { ...status, ...(invitation !== undefined && { invitation }) }
  out.print(shown, (paint) => [
    `"${status.name}" is ${status.state} with ${count(status.tools.length, 'tool')}`,
    ...toolLines(status, paint),
    ...(invitation === undefined ? [] : [`Invitation: ${invitation}`]),
    `It stays until: ${self} unexpose ${status.name}`,
  ])
}

/** The service lives as long as this command: Ctrl-C, or the end of the terminal, withdraws it. */
async function hold(spec: ServiceSpec, { connect, out, signal }: Context) {
  await using node = await connect()
  let invited = false
  try {
    for await (const event of node.exposeAttached(spec, { signal })) {
      out.print(event, (paint) => eventLines(event, paint))
      if (event.event === 'withdrawn') return
      failIfFailed(event.service)
      if (!invited) {
        const invitation = await invitationTo(event.service, node, signal)
        invited = true
        if (invitation !== undefined) {
          out.print({ event: 'invitation', invitation }, () => [`Invitation: ${invitation}`])
        }
      }
    }
  } catch (error) {
    if (!signal.aborted || hasCode(error, 'CLI_SERVICE_FAILED')) throw error
  }
  if (!signal.aborted) throw CliError.NODE_GONE({ service: spec.name })
  out.note(`"${spec.name}" is withdrawn.`)
}

function specOf(context: Context): ServiceSpec {
  const { options } = context
  const allow = textOption(options, 'allow')
  const tools = listOption(options, 'allowTool') ?? []
  const spec = { ...sourceOf(context), ...publicityOf(options) }
  if (allow === undefined && tools.length === 0) return spec
  const byTool = tools.length === 0 ? {} : { tools: Object.fromEntries(tools.map(toolAllowed)) }
  return { ...spec, exposure: { allow: allowOf(allow ?? 'public'), ...byTool } }
}

function toolAllowed(text: string): [string, Allow] {
  const [, tool, who] = /^([A-Za-z0-9_./-]{1,128})=(.+)$/.exec(text) ?? []
  if (tool !== undefined && who !== undefined) return [tool, allowOf(who)]
  throw CliError.USAGE({ command: 'expose', expected: '--allow-tool to be NAME=WHO' })
}

function allowOf(text: string): Allow {
  if (text === 'public' || text === 'granted') return text
  return text.split(',').map((peer) => parsePeer(peer.trim(), 'expose'))
}

function sourceOf({ args, cwd, env, options }: Context): ServiceSpec {
  const name = textOption(options, 'name') ?? ''
  if (!NAME.test(name)) {
    const expected = `--name with a-z, 0-9 and "-", at most 63 characters, not "${name}"`
    throw CliError.USAGE({ command: 'expose', expected })
  }
  const url = textOption(options, 'url')
  const [command, ...rest] = args
  if ((url === undefined) === (command === undefined)) {
    const expected = 'either a command after "--" or --url, and not both'
    throw CliError.USAGE({ command: 'expose', expected })
  }
  if (command === undefined) return { name, source: httpSource(url ?? '') }
  const variables = { ...pathOf(env), ...variablesOf(listOption(options, 'env') ?? []) }
  return { name, source: { kind: 'stdio', command, args: rest, cwd, env: variables } }
}

function httpSource(url: string): ServiceSource {
  const { protocol } = URL.parse(url) ?? {}
  if (protocol === 'http:' || protocol === 'https:') return { kind: 'http', url }
  throw CliError.USAGE({ command: 'expose', expected: `--url to be http or https, not "${url}"` })
}

/** The command is looked for where this terminal would find it, not where the node would. */
function pathOf(env: Context['env']): Record<string, string> {
  const { PATH } = env
  return PATH === undefined ? {} : { PATH }
}

function variablesOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=')
      const name = text.slice(0, Math.max(at, 0))
      if (VARIABLE.test(name)) return [name, text.slice(at + 1)]
      throw CliError.USAGE({ command: 'expose', expected: '--env to be NAME=VALUE' })
    }),
  )
}

function failIfFailed({ name, state, reason }: ServiceStatus): void {
  if (state !== 'failed') return
  throw CliError.SERVICE_FAILED({ service: name, reason: reason ?? 'its server does not run' })
}

function eventLines(event: LeaseEvent, paint: Paint): string[] {
  if (event.event === 'status') return stateLines(event.service, paint)
  return [`"${event.name}" was withdrawn by somebody else.`]
}

function stateLines(status: ServiceStatus, paint: Paint): string[] {
  const { name, state, reason, restarts, tools } = status
  if (state === 'ready') {
    const offers = `${paint('green', 'ready')}: ${count(tools.length, 'tool')}`
    return [`"${name}" is ${offers}. Ctrl-C withdraws it.`, ...toolLines(status, paint)]
  }
  const times = restarts === 0 ? '' : `, restarted ${count(restarts, 'time')}`
  const why = reason === undefined ? '' : `: ${cleanLine(reason)}`
  return [`"${name}" is ${paint('yellow', state)}${times}${why}`]
}

function toolLines({ tools }: ServiceStatus, paint: Paint): string[] {
  if (tools.length === 0) return []
  return table(['TOOL', 'DESCRIPTION'], tools.map(toolRow), paint).map((line) => `  ${line}`)
}

function toolRow({ name, description }: ServiceStatus['tools'][number]): string[] {
  return [name, description.length > 60 ? `${description.slice(0, 59)}…` : description]
}
