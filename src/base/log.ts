/**
 * Structured logging over pino: a message that never varies, and fields that do.
 *
 * Lines go to standard error, because standard output belongs to protocols. Every field passes
 * `redact.ts` on its way, whoever wrote it, and the correlation id of the request that runs is
 * added by itself.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import pino from 'pino'
import { redactFields, redactText } from './redact.ts'

/** What varies from line to line; names are constant, values anything that JSON can hold. */
export type Fields = Readonly<Record<string, unknown>>

/** From the most talkative to none. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** `error` wakes somebody, `warn` is a peer's fault, `info` a change of state, `debug` the rest. */
export interface Logger {
  debug(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
  /** The same log under the name of a room or a part of one; its level is its own. */
  child(module: string): Logger
}

/** Says nothing. For tests and for rooms under measurement. */
export const silentLog: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
}

/** What is written and what is not; it may change while the loggers live. */
export interface LogLevels {
  /** The level of every module that has none of its own. */
  readonly level: LogLevel
  /** Levels by module name; a name covers what begins with it and a colon. */
  readonly modules?: Readonly<Record<string, LogLevel>>
}

export interface LogOptions extends LogLevels {
  /** Where lines go; standard error unless a test wants to read them. */
  readonly write?: (line: string) => void
}

/** The logger that all others of a node come from; its levels are those of all of them. */
export interface RootLogger extends Logger {
  /** From the next line on, of loggers made before as well. */
  setLevels(levels: LogLevels): void
}

/** The root of all loggers of a node: JSON lines, one for each call. */
export function createLog(options: LogOptions): RootLogger {
  const destination =
    options.write === undefined ? pino.destination({ fd: 2, sync: true }) : { write: options.write }
  const root = pino(
    {
      level: 'trace',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => {
        const id = correlation.getStore()
        // It came with a request, so it is a stranger's text as well.
        return id === undefined ? {} : { correlationId: redactText(id) }
      },
    },
    destination,
  )
  const state: LevelState = { levels: options }
  const setLevels = (levels: LogLevels) => {
    state.levels = levels
  }
  return { ...loggerFor(root, '', state), setLevels }
}

/** Runs `work`, and all that it starts, under the correlation id of one request. */
export function withCorrelation<T>(id: string, work: () => T): T {
  return correlation.run(id, work)
}

/** The id of the request that runs, if one does. */
export function correlationId(): string | undefined {
  return correlation.getStore()
}

const correlation = new AsyncLocalStorage<string>()

/** Replaced as a whole when levels change, which is how a logger sees that they did. */
interface LevelState {
  levels: LogLevels
}

function loggerFor(root: pino.Logger, module: string, state: LevelState): Logger {
  const log = module === '' ? root : root.child({ module: redactText(module) })
  let seen: LogLevels | undefined
  const isOn = (name: string) => {
    if (seen !== state.levels) {
      seen = state.levels
      log.level = levelOf(module, seen)
    }
    return log.isLevelEnabled(name)
  }
  const at = (name: 'debug' | 'info' | 'warn' | 'error') => {
    return (message: string, fields: Fields = {}) => {
      if (isOn(name)) log[name](redactFields(fields), message)
    }
  }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (name) => loggerFor(root, name, state),
  }
}

/** The longest module name that covers this one decides. */
function levelOf(module: string, { level, modules = {} }: LogLevels): LogLevel {
  const covers = Object.entries(modules)
    .filter(([name]) => module === name || module.startsWith(`${name}:`))
    .sort(([a], [b]) => b.length - a.length)
  return covers[0]?.[1] ?? level
}
