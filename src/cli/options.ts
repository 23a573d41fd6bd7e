/** Words from the command line as values that cannot be wrong; anything else is `CLI_USAGE`. */

import { type PeerId, peerId } from '../identity/index.ts'
import { isJsonObject, type JsonObject, parseJson } from '../wire/index.ts'
import type { OptionValues } from './command.ts'
import { CliError } from './errors.ts'

const DAY_MS = 86_400_000
const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: DAY_MS,
}
/** A tool's arguments travel in one frame of 16 MiB. */
export const ARGS_BYTES_MAX = 16 * 1024 * 1024

export function textOption(options: OptionValues, name: string): string | undefined {
  const value = options[name]
  return typeof value === 'string' ? value : undefined
}

export function listOption(options: OptionValues, name: string): readonly string[] | undefined {
  const value = options[name]
  return typeof value === 'object' ? value : undefined
}

export function flagOption(options: OptionValues, name: string): boolean {
  return options[name] === true
}

/** The argument at `index`, which commander asks for and a program may forget. */
export function required(args: readonly string[], index: number, what: Expectation): string {
  const value = args[index]
  if (value === undefined || value === '') throw CliError.USAGE(what)
  return value
}

interface Expectation {
  readonly command: string
  readonly expected: string
}

export function parsePort(text: string, what: { command: string; option: string }): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port <= 65_535) return port
  const expected = `${what.option} to be a port from 0 to 65535, not "${text}"`
  throw CliError.USAGE({ command: what.command, expected })
}

/** `500ms`, `30s`, `2m`, `6h`, `1d`, or a number of seconds; a day at most unless said. */
export function parseDuration(
  text: string,
  command: string,
  option = '--timeout',
  daysMax = 1,
): number {
  const [, digits, unit = 's'] = /^(\d{1,9})(ms|s|m|h|d)?$/.exec(text) ?? []
  const ms = Number(digits) * (UNIT_MS[unit] ?? Number.NaN)
  if (ms > 0 && ms <= daysMax * DAY_MS) return ms
  const limit = daysMax === 1 ? 'a day' : `${daysMax} days`
  const wanted = `a time such as 500ms, 30s, 2m or 6h, at most ${limit}`
  const expected = `${option} to be ${wanted}, not "${text}"`
  throw CliError.USAGE({ command, expected })
}

export function parseToolArgs(text: string): JsonObject {
  const value = parsed(text)
  if (isJsonObject(value)) return value
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text
  const expected = `the arguments as one JSON object such as '{"a":2}', not ${shown}`
  throw CliError.USAGE({ command: 'call', expected })
}

/** What is JSON as it is, any other words as a text. */
export function jsonOrText(text: string): unknown {
  try {
    return parseJson(text, 'data', { bytesMax: ARGS_BYTES_MAX })
  } catch {
    return text
  }
}

export function parsePeer(text: string, command: string): PeerId {
  try {
    return peerId(text)
  } catch (cause) {
    const expected = `a peer id such as 12D3KooW…, not "${text.slice(0, 64)}"`
    throw CliError.USAGE({ command, expected }, cause)
  }
}

function parsed(text: string): unknown {
  try {
    return parseJson(text, 'arguments', { bytesMax: ARGS_BYTES_MAX })
  } catch {
    // Text that is no JSON and JSON that is no object are the same mistake.
    return undefined
  }
}
