/**
 * One run of `p2p-node`: commands in, events out, over whatever carries them. Sans I/O.
 *
 * The node starts with `connect`. Commands run side by side, so that one that waits for the network
 * holds up none behind it; so many at once, and then no further one is begun.
 */

import { fromUtf8, race } from '../base/index.ts'
import { isJsonObject, type JsonObject, parseJson } from '../wire/index.ts'
import {
  COMMANDS,
  type CommandName,
  type CommandOf,
  checkCommand,
  idOf,
} from './shapes/stdio/api.ts'
import { codedFor, errorEvent } from './stdio-classes.ts'
import { StdioCommands, type StdioCommandsDeps } from './stdio-commands.ts'
import { StdioError } from './stdio-errors.ts'
import type { Line } from './stdio-lines.ts'
import { answering, type Id } from './stdio-outlet.ts'

/** One line of input. */
export const LINE_BYTES_MAX = 1_048_576
/** Commands in work; the next is read when one of them is answered. */
const WORKING_MAX = 64
const SHUTDOWN_BYTES_MAX = 1_024
/** What is in work at the end has so long to be answered. */
const LAST_MS = 1_000

export type StdioSessionDeps = Omit<StdioCommandsDeps, 'stopAsked'>

export class StdioSession {
  readonly #deps: StdioSessionDeps
  readonly #commands: StdioCommands
  readonly #working = new Set<Promise<void>>()
  readonly #over = Promise.withResolvers<void>()
  readonly #life = new AbortController()
  readonly #hurry = new AbortController()

  constructor(deps: StdioSessionDeps) {
    this.#deps = deps
    const stopAsked = () => this.#over.resolve()
    this.#commands = new StdioCommands({ ...deps, stopAsked }, this.#life.signal)
  }

  /** Resolves when `shutdown` was asked for. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  /** Whether a line ends the session, so that nothing before it should wait for room. */
  isLast(line: Line): boolean {
    if (line.kind !== 'line' || line.bytes.length > SHUTDOWN_BYTES_MAX) return false
    try {
      const value = objectIn(line)
      const { version, name } = askedBy(value)
      return version === 1 && name === 'shutdown' && 'value' in checkCommand('shutdown', value)
    } catch {
      return false
    }
  }

  /** The last lines have come: they are begun at once, however much is in work. */
  hurry(): void {
    this.#hurry.abort()
  }

  /** Begins what a line asks for; resolves when the next may be begun. */
  async take(line: Line): Promise<void> {
    const work = this.#do(line).finally(() => this.#working.delete(work))
    this.#working.add(work)
    const { signal } = this.#hurry
    while (this.#working.size >= WORKING_MAX && !signal.aborted) {
      await race(Promise.race(this.#working), signal).catch(() => undefined)
    }
    await race(this.#deps.outlet.room(), signal).catch(() => undefined)
  }

  /** Lets what is in work be answered, for a moment, then ends it and the node. */
  async stop(): Promise<void> {
    using deadline = this.#deps.clock.deadline(LAST_MS)
    const working = Promise.all(this.#working)
    await race(working, deadline.signal).catch(() => undefined)
    this.#hurry.abort()
    this.#life.abort(StdioError.STDIO_STOPPING({ command: 'go on' }))
    await this.#commands.stop()
  }

  async #do(line: Line): Promise<void> {
    const { outlet } = this.#deps
    let asked: Asked = { id: undefined, version: 1, name: 'line' }
    try {
      const value = objectIn(line)
      asked = askedBy(value)
      await this.#run(value, asked)
    } catch (error) {
      const coded = codedFor(asked.name, error)
      const { code, message, facts, retryable } = coded
      const event =
        asked.version === 1
          ? errorEvent(coded, asked.id)
          : { v: 2, type: 'error', ...answering(asked.id), code, message, facts, retryable }
      await outlet.answer(event)
    }
  }

  async #run(value: JsonObject, { version, name, id }: Asked): Promise<void> {
    const { v = version } = value
    if (v !== version) {
      const problems = [`v: found ${JSON.stringify(v).slice(0, SHOWN_MAX)}, wanted 1 or 2`]
      throw StdioError.STDIO_COMMAND_INVALID({ command: name, problems })
    }
    if (version === 2) await this.#commands.operation(value, name, id)
    else if (!isCommand(name)) throw StdioError.STDIO_TYPE_UNKNOWN({ found: name, known: COMMANDS })
    else if (name === 'shutdown') await this.#shutdown(checked(name, value))
    else if (name === 'connect') await this.#commands.connect(checked(name, value))
    else if (name === 'send') await this.#commands.send(checked(name, value))
    else if (name === 'discover') await this.#commands.discover(checked(name, value))
    else await this.#commands.subscribe(checked(name, value))
  }

  async #shutdown({ id }: CommandOf<'shutdown'>): Promise<void> {
    const said = { level: 'info', namespace: 'node', message: 'stopping' }
    const answered = this.#deps.outlet.answer({ type: 'log', ...answering(id), ...said })
    // Whether anybody reads the answer or not.
    this.#over.resolve()
    await answered
  }
}

interface Asked {
  readonly version: 1 | 2
  readonly name: string
  readonly id: Id
}

/** The object on a line. */
function objectIn(line: Line): JsonObject {
  if (line.kind === 'too-long') throw StdioError.STDIO_LINE_TOO_LONG({ limit: line.limit })
  try {
    const value = parseJson(fromUtf8(line.bytes), 'line', { bytesMax: LINE_BYTES_MAX })
    if (isJsonObject(value)) return value
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw StdioError.STDIO_JSON_MALFORMED({ reason }, error)
  }
  throw StdioError.STDIO_JSON_MALFORMED({ reason: 'it holds JSON that is no object' })
}

function askedBy({ v = 1, type, id }: JsonObject): Asked {
  const name = typeof type === 'string' ? type.slice(0, SHOWN_MAX) : typeof type
  return { version: v === 2 ? 2 : 1, name, id: idOf(id) }
}

const SHOWN_MAX = 64

function isCommand(name: string): name is CommandName {
  return (COMMANDS as readonly string[]).includes(name)
}

function checked<Name extends CommandName>(name: Name, value: unknown): CommandOf<Name> {
  const found = checkCommand(name, value)
  if ('value' in found) return found.value
  throw StdioError.STDIO_COMMAND_INVALID({ command: name, problems: found.problems })
}
