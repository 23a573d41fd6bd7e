import type { Command } from '../command.ts'
import { textOption } from '../options.ts'
import { table } from '../output.ts'

const DESCRIPTION_COLUMNS = 60

export const tools: Command = {
  name: 'tools',
  summary: 'List the tools that this node and its peers offer',
  options: [
    { flags: '--tool <name>', help: 'only tools of this name' },
    { flags: '--service <name>', help: 'only tools of this service' },
  ],
  examples: ['tools', 'tools --service everything', 'tools --tool get-sum --json'],
  timeoutMs: 30_000,

  async run({ connect, options, out, self, signal }) {
    const tool = textOption(options, 'tool')
    const service = textOption(options, 'service')
    await using node = await connect()
    const query = { ...(tool && { tool }), ...(service && { service }) }
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
