/** The table of commands as a commander program: reads the command line and writes the help. */

import { type Command as CommanderCommand, CommanderError, Command as Program } from 'commander'
import type { Command, OptionSpec, OptionValues } from './command.ts'
import { CliError } from './errors.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'

const DESCRIPTION =
  'Finds peers without a server in the middle and calls the tools they offer.\n' +
  'Start a node with "p2p start"; the other commands talk to it from another terminal.'

/** What a person asked for: a command with its words, or a text to show. */
export type Asked =
  | {
      readonly kind: 'run'
      readonly command: Command
      readonly args: readonly string[]
      readonly options: OptionValues
    }
  | { readonly kind: 'show'; readonly text: string; readonly code: ExitCode }

export interface Table {
  readonly commands: readonly Command[]
  /** One summary for each first word that several commands share. */
  readonly groups: Readonly<Record<string, string>>
  readonly version: string
}

/** Options of every command, before or after its name. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  { flags: '--data <dir>', help: 'data folder of the node (or P2P_DATA)' },
  { flags: '--json', help: 'print JSON for programs' },
  { flags: '--no-color', help: 'print without colours (or NO_COLOR)' },
  { flags: '--timeout <time>', help: 'give up after this long: 500ms, 30s, 2m' },
]

/** Throws `CLI_COMMAND_LINE`, with the nearest name, where the words make no sense. */
export function readCommandLine(argv: readonly string[], table: Table): Asked {
  let asked: Asked | undefined
  let shown = ''
  const write = (text: string) => {
    shown += text
  }
  const program = build(table, (found) => {
    asked = found
  })
  for (const each of everyCommand(program)) {
    each.configureOutput({ writeOut: write, writeErr: write, outputError: () => undefined })
  }
  try {
    program.parse(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return { kind: 'show', text: shown, code: EXIT.done }
    if (error.code === 'commander.help') return { kind: 'show', text: shown, code: EXIT.usage }
    throw CliError.COMMAND_LINE({ problem: problemOf(error), help: helpFor(argv, table) }, error)
  }
  return asked ?? { kind: 'show', text: program.helpInformation(), code: EXIT.usage }
}

function build(table: Table, choose: (asked: Asked) => void): CommanderCommand {
  const program = new Program('p2p')
    .description(DESCRIPTION)
    .version(table.version, '-V, --version')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .helpCommand('help [command]', 'Show how to use a command')
    .addHelpText('after', '\nExample:\n  $ p2p start\n  $ p2p call --help')
  for (const spec of GLOBAL_OPTIONS) addOption(program, spec)
  const groups = new Map<string, CommanderCommand>()
  for (const command of table.commands) {
    const [first = '', second] = command.name.split(' ')
    let parent = program
    if (second !== undefined) {
      parent = groups.get(first) ?? addGroup(program, first, table)
      groups.set(first, parent)
    }
    addCommand(parent, command, choose)
  }
  return program
}

function addCommand(
  parent: CommanderCommand,
  command: Command,
  choose: (asked: Asked) => void,
): void {
  const name = command.name.split(' ').at(-1) ?? command.name
  const made = parent
    .command(name, { hidden: command.hidden === true, isDefault: command.groupDefault === true })
    .description(command.summary)
    .addHelpText('after', examplesOf([command]))
  if (command.args !== undefined) made.arguments(command.args)
  for (const spec of command.options ?? []) addOption(made, spec)
  made.action(() => {
    choose({ kind: 'run', command, args: made.args, options: made.optsWithGlobals() })
  })
}

/** Several commands whose names begin with the same word. */
function addGroup(program: CommanderCommand, first: string, table: Table): CommanderCommand {
  const members = table.commands.filter(({ name }) => name.startsWith(`${first} `))
  return program
    .command(first)
    .description(table.groups[first] ?? '')
    .addHelpText('after', examplesOf(members))
}

function examplesOf(commands: readonly Command[]): string {
  const lines = commands.flatMap(({ examples }) => examples.map((words) => `  $ p2p ${words}`))
  return `\nExample:\n${lines.join('\n')}`
}

function addOption(command: CommanderCommand, spec: OptionSpec): void {
  const option = command.createOption(spec.flags, spec.help)
  if (spec.choices !== undefined) option.choices(spec.choices)
  if (spec.many === true) {
    const collect = (value: string, known: readonly string[] | undefined) => [
      ...(known ?? []),
      value,
    ]
    option.argParser(collect)
  }
  command.addOption(option)
}

function everyCommand(command: CommanderCommand): CommanderCommand[] {
  return [command, ...command.commands.flatMap(everyCommand)]
}

/** Commander's sentence without its `error: ` and with its suggestion on the same line. */
function problemOf(error: CommanderError): string {
  return error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')
}

function helpFor(argv: readonly string[], table: Table): string {
  const words = argv.filter((word) => !word.startsWith('-'))
  const known = table.commands.find(({ name }) => name.split(' ').every((w, i) => words[i] === w))
  return known === undefined ? 'p2p --help' : `p2p ${known.name} --help`
}
