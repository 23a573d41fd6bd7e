/**
 * Structured logging over pino: a message that never varies, and fields that do.
 *
 * Lines go to standard error, because standard output belongs to protocols. Peer ids are
 * shortened in every field, secrets are cut by name, and the correlation id of the request that
 * runs is added by itself.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import pino from 'pino'

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

export interface LogOptions {
  /** The level of every module that has none of its own. */
  readonly level: LogLevel
  /** Levels by module name; a name covers what begins with it and a colon. */
  readonly modules?: Readonly<Record<string, LogLevel>>
  /** Where lines go; standard error unless a test wants to read them. */
  readonly write?: (line: string) => void
}

/** The root of all loggers of a node: JSON lines, one for each call. */
export function createLog(options: LogOptions): Logger {
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
        return id === undefined ? {} : { correlationId: id }
      },
    },
    destination,
  )
  return loggerFor(root, '', options)
}

/** Runs `work`, and all that it starts, under the correlation id of one request. */
export function withCorrelation<T>(id: string, work: () => T): T {
  return correlation.run(id, work)
}

/** The id of the request that runs, if one does. */
export function correlationId(): string | undefined {
  return correlation.getStore()
}

/** Long enough to tell peers apart in a log, too short to find one by. */
export function shortenPeerIds(text: string): string {
  return text.replace(PEER_ID, (id) => `${id.slice(0, 8)}…${id.slice(-6)}`)
}

const correlation = new AsyncLocalStorage<string>()
const PEER_ID = /\b(?:12D3KooW|16Uiu2HA|Qm)[1-9A-HJ-NP-Za-km-z]{30,}\b/g
const SECRET =
  /^(?:authorization|cookie|body)$|(?:token|password|secret|mnemonic)$|(?:private|api)[_-]?key/i

function loggerFor(root: pino.Logger, module: string, options: LogOptions): Logger {
  const level = levelOf(module, options)
  const log = module === '' ? root : root.child({ module })
  log.level = level
  const at = (name: 'debug' | 'info' | 'warn' | 'error') => {
    return (message: string, fields: Fields = {}) => {
      if (log.isLevelEnabled(name)) log[name](clean(fields), message)
    }
  }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (name) => loggerFor(root, name, options),
  }
}

/** The longest module name that covers this one decides. */
function levelOf(module: string, options: LogOptions): LogLevel {
  const covers = Object.entries(options.modules ?? {})
    .filter(([name]) => module === name || module.startsWith(`${name}:`))
    .sort(([a], [b]) => b.length - a.length)
  return covers[0]?.[1] ?? options.level
}

function clean(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, cleanValue(name, value, 0)]),
  )
}

const DEPTH_MAX = 4

function cleanValue(name: string, value: unknown, depth: number): unknown {
  if (SECRET.test(name)) return '[redacted]'
  if (typeof value === 'string') return shortenPeerIds(value)
  if (value instanceof Error) return describe(value)
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (depth >= DEPTH_MAX) return '[deeper]'
  if (Array.isArray(value)) return value.map((item) => cleanValue('', item, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      shortenPeerIds(key),
      cleanValue(key, item, depth + 1),
    ]),
  )
}

function describe(error: Error, depth = 0): string {
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : ''
  const { cause: inner } = error
  const more = inner instanceof Error && depth < DEPTH_MAX
  const cause = more ? ` (${describe(inner, depth + 1)})` : ''
  return shortenPeerIds(`${code}${error.message}${cause}`)
}
