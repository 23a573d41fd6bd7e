/** What a person decides about tools of peers that assistants are to be shown. */

import type { Command } from '../command.ts'
import { required, textOption } from '../options.ts'
import { cleanLine, table } from '../output.ts'
import type { NodeClient } from '../rooms.ts'

const NAME = 'a name as assistants see it, such as calc_add_kx6nXT'

const HASH = {
  flags: '--hash <hash>',
  help: 'Of the definition that you read, as the lists say it; another one is refused',
} as const

export const toolsPin: Command = {
  name: 'tools pin',
  summary: 'Have a tool in every list that assistants are given, however many tools there are',
  args: '<name>',
  examples: ['tools pin calc_add_kx6nXT'],
  timeoutMs: 30_000,
  run: async ({ args, connect, out, signal }) => {
    const name = required(args, 0, { command: 'tools pin', expected: NAME })
    await using node = await connect()
    const tool = await node.catalogPin(name, true, { signal })
    out.print(tool, () => [`"${tool.name}" is in every list now`])
  },
}

export const toolsUnpin: Command = {
  name: 'tools unpin',
  summary: 'Have a tool no longer in every list',
  args: '<name>',
  examples: ['tools unpin calc_add_kx6nXT'],
  timeoutMs: 30_000,
  run: async ({ args, connect, out, signal }) => {
    const name = required(args, 0, { command: 'tools unpin', expected: NAME })
    await using node = await connect()
    const tool = await node.catalogPin(name, false, { signal })
    out.print(tool, () => [`"${tool.name}" is listed where there is room`])
  },
}

export const toolsApprove: Command = {
  name: 'tools approve',
  summary: 'Take what a tool of a peer says of itself now; assistants are shown it again',
  args: '<name>',
  options: [HASH],
  examples: ['tools approve calc_add_kx6nXT', 'tools approve calc_add_kx6nXT --hash 8Jm0…'],
  timeoutMs: 30_000,
  run: async ({ args, connect, out, signal, options }) => {
    const name = required(args, 0, { command: 'tools approve', expected: NAME })
    const hash = textOption(options, 'hash')
    await using node = await connect()
    const tool = await node.catalogApprove(name, { signal, hash })
    out.print(tool, () => [`"${tool.name}" is approved as it says: ${cleanLine(tool.description)}`])
  },
}

export const toolsWithheld: Command = {
  name: 'tools withheld',
  summary: 'List tools of peers that assistants are not shown: changed since approved, or new',
  examples: ['tools withheld', 'tools withheld --json'],
  timeoutMs: 30_000,
  run: async ({ connect, out, self, signal }) => {
    await using node = await connect()
    const found = await node.catalogWithheld({ signal })
    out.print(found, (paint) => {
      if (found.length === 0) return ['No tool is withheld']
      const rows = found.map(rowOf)
      return [
        ...table(['NAME', 'WHY', 'PEER', 'HASH', 'WHAT IT SAYS OF ITSELF NOW'], rows, paint),
        `Its arguments as well: ${self} tools withheld --json`,
        `To take one as you read it: ${self} tools approve <name> --hash <hash>`,
      ]
    })
  },
}

type Withheld = Awaited<ReturnType<NodeClient['catalogWithheld']>>[number]

function rowOf({ name, why, peer, hash, description }: Withheld): string[] {
  return [name, why, peer, hash, cleanLine(description)]
}
