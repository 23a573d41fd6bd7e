import type { Command } from '../command.ts'
import { textOption } from '../options.ts'
import { table } from '../output.ts'

const DESCRIPTION_COLUMNS = 60
/** Of a query: each an option of its own. */
const PARTS = ['tool', 'service', 'peer', 'tag', 'text', 'accepts', 'invitation'] as const

export const tools: Command = {
  name: 'tools list',
  groupDefault: true,
  summary: 'List the tools that this node and its peers offer',
  options: [
    { flags: '--tool <name>', help: 'only tools of this name' },
    { flags: '--service <name>', help: 'only tools of this service' },
    { flags: '--peer <peer id>', help: 'only tools of this peer' },
    { flags: '--tag <tag>', help: 'only tools of services with this tag' },
    { flags: '--text <words>', help: 'only tools that say these words of themselves' },
    { flags: '--accepts <args>', help: 'only tools that take these arguments: a:number,b' },
    { flags: '--invitation <text>', help: 'the tools that this invitation is for' },
  ],
  examples: [
    'tools --service everything',
    'tools',
    'tools --tag math --accepts a:number,b:number',
    'tools --text "weather forecast" --json',
  ],
  timeoutMs: 30_000,

  async run({ connect, options, out, self, signal }) {
    const query = Object.fromEntries(
      PARTS.flatMap((part) => {
        const value = textOption(options, part)
        return value ? [[part, value]] : []
      }),
    )
    await using node = await connect()
    const found = await node.tools(query, { signal })
    out.print(found, (paint) => {
      if (found.length === 0) {
        return [`No tools found. See who is there: ${self} peers`]
      }
      const rows = found.map((entry) => [
        entry.tool,
        entry.service,
        entry.peer,
        entry.idempotent ? 'yes' : 'no',
        shortened(entry.description),
      ])
      return table(['TOOL', 'SERVICE', 'PEER', 'REPEATABLE', 'WHAT IT SAYS OF ITSELF'], rows, paint)
    })
  },
}

function shortened(text: string): string {
  return text.length > DESCRIPTION_COLUMNS ? `${text.slice(0, DESCRIPTION_COLUMNS - 1)}…` : text
}
