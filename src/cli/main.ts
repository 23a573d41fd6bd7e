/**
 * The command line from its words to its exit code.
 *
 * It never ends the process: it resolves with the exit code once nothing is left to do, so that a
 * handle that some room forgot shows itself.
 */

import { resolve } from 'node:path'
import { BaseError, hasCode } from '../base/index.ts'
import type { Command, Context, OptionValues } from './command.ts'
import { COMMANDS, GROUPS } from './commands/index.ts'
import { CliError } from './errors.ts'
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts'
import { parseDuration, textOption } from './options.ts'
import { Output } from './output.ts'
import { readCommandLine } from './program.ts'
import { processWorld, type World } from './world.ts'

/** How much longer than the node itself we wait for its word that the time is over. */
const GRACE_MS = 2_000
/**
 * A terminal sends Ctrl-C to every process of the job: to us and to the older Node that may have
 * started us, which passes it on. Within this time both are one and the same press.
 */
const SAME_PRESS_MS = 200

/** Runs one command line; `bin/p2p` sets the exit code. */
export async function main(world: World = processWorld()): Promise<ExitCode> {
  const out = outputFor(world)
  const interrupt = watchSignals(world)
  try {
    const asked = readCommandLine(world.argv, {
      commands: COMMANDS,
      groups: GROUPS,
      version: world.version,
    })
    if (asked.kind === 'show') {
      const sink = asked.code === EXIT.done ? world.stdout : world.stderr
      sink.write(asked.text)
      return asked.code
    }
    await run(asked.command, { ...asked, world, out, signal: interrupt.signal })
    return EXIT.done
  } catch (error) {
    const code = exitCodeOf(out.fail(error))
    return hasCode(error, 'CLI_INTERRUPTED') ? (interrupt.exitCode ?? code) : code
  } finally {
    interrupt.release()
  }
}

interface Run {
  readonly args: readonly string[]
  readonly options: OptionValues
  readonly world: World
  readonly out: Output
  readonly signal: AbortSignal
}

async function run(command: Command, { args, options, world, out, signal }: Run): Promise<void> {
  const timeout = textOption(options, 'timeout')
  const timeoutMs =
    timeout === undefined ? usualMs(command, options) : parseDuration(timeout, command.name)
  const graceMs = command.nodeKeepsTime === true ? GRACE_MS : 0
  using deadline =
    timeoutMs === undefined ? undefined : world.clock.deadline(timeoutMs + graceMs, signal)
  const until = deadline?.signal ?? signal
  const usual = await world.rooms.usualDataDir()
  const named = textOption(options, 'data')
  if (named === '') throw CliError.USAGE({ command: command.name, expected: '--data to be a path' })
  const asked = named ?? (world.env.P2P_DATA || usual)
  const dataDir = resolve(world.cwd, asked)
  const dataOf = (dir: string) => (dir === usual ? '' : ` --data ${quoted(dir)}`)
  const selfOn = (dir: string) => `${world.program}${dataOf(dir)}`
  const context: Context = {
    args,
    options,
    signal: until,
    timeoutMs,
    dataDir,
    version: world.version,
    env: world.env,
    cwd: world.cwd,
    clock: world.clock,
    out,
    stdin: () => world.stdin(),
    rooms: world.rooms,
    program: world.program,
    self: selfOn(dataDir),
    selfOn,
    connect: () => world.rooms.openClient(dataDir, `${world.program} start${dataOf(dataDir)}`),
  }
  try {
    await command.run(context)
  } catch (error) {
    // Whatever a room made of the abort, the reason for it is what the person should read.
    if (timeoutMs !== undefined && signal.aborted) throw signal.reason
    if (deadline?.signal.aborted === true && timeoutMs !== undefined) {
      throw BaseError.DEADLINE({ afterMs: timeoutMs }, error)
    }
    throw error
  }
}

function usualMs({ endlessWith, timeoutMs }: Command, options: OptionValues): number | undefined {
  const isEndless = endlessWith !== undefined && options[endlessWith] === true
  return isEndless ? undefined : timeoutMs
}

function outputFor(world: World): Output {
  const own = world.argv.slice(0, world.argv.includes('--') ? world.argv.indexOf('--') : undefined)
  const dumb = world.env.TERM === 'dumb'
  const wantsColor = !own.includes('--no-color') && !world.env.NO_COLOR && !dumb
  return new Output(
    { out: world.stdout, err: world.stderr },
    {
      json: own.includes('--json'),
      color: wantsColor && world.stdout.isTTY === true,
      errorColor: wantsColor && world.stderr.isTTY === true,
      dumb,
      gone: world.readerGone,
    },
  )
}

interface Interrupt {
  readonly signal: AbortSignal
  /** Set once a signal has come. */
  readonly exitCode: ExitCode | undefined
  release(): void
}

/** The first signal asks the command to stop; the second ends the process at once. */
function watchSignals(world: World): Interrupt {
  const controller = new AbortController()
  let first: { readonly code: ExitCode; readonly atMs: number } | undefined
  const release = world.onSignal((name) => {
    const code = name === 'SIGINT' ? EXIT.sigint : EXIT.sigterm
    if (first === undefined) {
      first = { code, atMs: world.clock.now() }
      controller.abort(CliError.INTERRUPTED({ signal: name }))
    } else if (world.clock.now() - first.atMs >= SAME_PRESS_MS) {
      world.exit(first.code)
    }
  })
  return {
    signal: controller.signal,
    get exitCode() {
      return first?.code
    },
    release,
  }
}

/** A path as a shell reads it back. */
function quoted(path: string): string {
  return /^[\w@%+=:,./~-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
