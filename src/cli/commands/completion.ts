/**
 * Completion for shells. `p2p completion bash` prints a script that asks `p2p complete` at every
 * press of Tab. Commands and options come from the table, names of tools from the running node.
 */

import { resolve } from 'node:path'
import type { Command as TabCommand } from '@bomb.sh/tab'
import { firstUse } from '../../base/index.ts'
import type { Command, Context, OptionSpec } from '../command.ts'
import { CliError } from '../errors.ts'
import { cleanLine } from '../output.ts'
import { GLOBAL_OPTIONS } from '../program.ts'

const SHELLS = ['bash', 'zsh', 'fish', 'powershell']
/** Longer than this, a person at the Tab key has typed the name. */
const NAMES_MS = 1_000
const SHELL_NAME = /^[\w.-]{1,128}$/

export const completion: Command = {
  name: 'completion',
  summary: 'Print a script that completes commands, options and tool names in a shell',
  args: '<shell>',
  examples: ['completion bash > ~/.p2p-completion.bash', 'completion zsh'],
  timeoutMs: 10_000,

  async run({ args, cwd, out, program }) {
    const shell = args[0] ?? ''
    if (!SHELLS.includes(shell)) {
      const expected = `one of ${SHELLS.join(', ')}, not "${shell}"`
      throw CliError.USAGE({ command: 'completion', expected })
    }
    const text = await scriptFor(shell, program.includes('/') ? resolve(cwd, program) : program)
    out.print({ shell, script: text }, () => [text])
  },
}

/** The library knows no output but the console. */
async function scriptFor(shell: string, executable: string): Promise<string> {
  const { script } = await tab()
  const lines: string[] = []
  const { log } = console
  console.log = (text: string) => void lines.push(text)
  try {
    script(shell, 'p2p', executable)
  } finally {
    console.log = log
  }
  return lines.join('\n')
}

/** The hidden command behind the script; it completes `commands` and itself stays unnamed. */
export function completeFor(
  commands: readonly Command[],
  groups: Readonly<Record<string, string>>,
): Command {
  return {
    name: 'complete',
    summary: 'Answer what could follow the words after "--"',
    args: '[words...]',
    examples: ['complete -- call ""'],
    timeoutMs: 2 * NAMES_MS,
    hidden: true,

    async run(context) {
      const names = context.args[0] === 'call' ? await toolNames(context) : []
      const { RootCommand } = await tab()
      const root = new RootCommand()
      for (const [name, summary] of Object.entries(groups)) root.command(name, summary)
      for (const command of commands.filter(({ hidden }) => hidden !== true)) {
        const made = root.command(command.name, command.summary)
        for (const spec of [...(command.options ?? []), ...GLOBAL_OPTIONS]) addOption(made, spec)
        if (command.name === 'call') made.argument('tool', (offer) => offerAll(names, offer))
        if (command === completion) made.argument('shell', (offer) => offerAll(SHELLS, offer))
      }
      // It writes to standard output itself, in the form that its scripts read.
      root.parse([...context.args])
    },
  }
}

/** Loaded for these two commands, which are not the ones that have to start quickly. */
function tab() {
  return firstUse('the shell completion', () => import('@bomb.sh/tab'))
}

function addOption(command: TabCommand, { flags, help, choices }: OptionSpec): void {
  // A short name before the long one, as in `-w, --watch`, is quicker typed than completed.
  const [flag = '', value] = flags.replace(/^-\w, /, '').split(' ')
  const name = flag.replace(/^--/, '')
  if (value === undefined) command.option(name, help)
  else command.option(name, help, (offer) => offerAll(choices ?? [], offer))
}

function offerAll(values: readonly string[], offer: (value: string, help: string) => void): void {
  for (const value of values) offer(value, '')
}

/** Names that need no quoting, because they come from strangers and a shell reads them. */
async function toolNames({ clock, connect, signal }: Context): Promise<string[]> {
  try {
    using deadline = clock.deadline(NAMES_MS, signal)
    await using node = await connect()
    const found = await node.tools({}, { signal: deadline.signal })
    return [...new Set(found.map(({ tool }) => cleanLine(tool)))].filter((n) => SHELL_NAME.test(n))
  } catch {
    // Without a node there is nothing to offer, and Tab is no place for an error.
    return []
  }
}
