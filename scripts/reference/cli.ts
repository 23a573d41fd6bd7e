/** `docs/reference/cli.md`: every command of `p2p`, its arguments, options and examples. */

import type { Command, OptionSpec } from '../../src/cli/command.ts'
import { COMMANDS, GROUPS } from '../../src/cli/commands/index.ts'
import { EXIT } from '../../src/cli/exit-codes.ts'
import { GLOBAL_OPTIONS } from '../../src/cli/program.ts'
import { code, page, table } from './table.ts'

const INTRO = `Results go to standard output, everything else to standard error; with \`--json\` a result is
one JSON document and an error one line \`{"error":{"code","message","facts","retryable"}}\`.
Commands other than \`start\` talk to the node that runs on the data folder.`

const EXIT_MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'Done.',
  toolFailed: 'The call worked and the tool itself reported an error.',
  usage: 'The command line makes no sense.',
  configuration: 'The configuration, or a file of the data folder, is wrong.',
  unreachable: 'No node runs on the data folder, or a peer cannot be reached.',
  notFound: 'What was asked for does not exist.',
  refused: 'Refused: no grant, or blocked.',
  deadline: 'The time was over.',
  outcomeUnknown: 'Nobody knows whether the tool ran.',
  resource: 'A port, the disk or a limit stands in the way.',
  internal: 'A bug of ours.',
  sigint: 'Interrupted by Ctrl-C.',
  sigterm: 'Ended by SIGTERM.',
}

/** The commands that a person may type; those that programs use are not for reading. */
export function shownCommands(): readonly Command[] {
  return COMMANDS.filter(({ hidden }) => hidden !== true)
}

export function cliPage(): string {
  const first = new Set<string>()
  const parts = shownCommands().flatMap((command) => {
    const group = command.name.includes(' ') ? (command.name.split(' ', 1)[0] ?? '') : ''
    const opening =
      group !== '' && !first.has(group) ? [`## p2p ${group}`, `${GROUPS[group] ?? ''}.`] : []
    first.add(group)
    return [...opening, describe(command, group === '' ? '##' : '###')]
  })
  const exits = Object.entries(EXIT).map(([name, number]) => {
    return [String(number), EXIT_MEANING[name as keyof typeof EXIT]]
  })
  return page('Command line', INTRO, [
    '## Options of every command',
    'They may stand before or after the name of the command.',
    options(GLOBAL_OPTIONS),
    '## Exit codes',
    'For scripts, which should not read sentences.',
    table(['Code', 'Meaning'], exits),
    ...parts,
  ])
}

function describe(command: Command, level: string): string {
  const { name, args = '', summary, examples } = command
  const group = command.groupDefault === true ? ` Also \`p2p ${name.split(' ', 1)[0] ?? ''}\`.` : ''
  const parts = [
    `${level} p2p ${name}`,
    `${summary}.${group}`,
    fenced([
      `p2p ${[name, args, command.options === undefined ? '' : '[options]'].filter(Boolean).join(' ')}`,
    ]),
  ]
  if (command.options !== undefined) parts.push(options(command.options))
  parts.push(`${time(command)} For example:`, fenced(examples.map((words) => `p2p ${words}`)))
  return parts.join('\n\n')
}

function time({ timeoutMs }: Command): string {
  if (timeoutMs === undefined) return 'It runs until it is stopped.'
  return `It gives up after ${timeoutMs / 1_000} s unless \`--timeout\` says otherwise.`
}

function options(specs: readonly OptionSpec[]): string {
  const rows = specs.map(({ flags, help, many, choices }) => {
    const more = [
      many === true && !help.includes('repeatable') ? 'repeatable' : '',
      choices === undefined ? '' : `one of ${choices.map((choice) => code(choice)).join(', ')}`,
    ].filter((text) => text !== '')
    return [code(flags), `${help}${more.length === 0 ? '' : ` (${more.join('; ')})`}`]
  })
  return table(['Option', 'Meaning'], rows)
}

function fenced(lines: readonly string[]): string {
  return ['```sh', ...lines, '```'].join('\n')
}
