/**
 * One key of a configuration file changed by a machine: comments, order and every other key stay
 * as the person wrote them, and nothing is written that a start would refuse.
 */

import { realpath, stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { parse, stringify } from 'smol-toml'
import { CodedError } from '../base/index.ts'
import { writeFile } from './data-dir.ts'
import { NodeError } from './errors.ts'
import { configFileOf, configOfText, readConfig } from './load-config.ts'
import { nearestKey } from './nearest-key.ts'
import {
  type Environment,
  type Flags,
  isTable,
  parseToml,
  settingsOfEnvironment,
  valueFrom,
} from './settings.ts'
import { shownKey } from './shown.ts'
import { edited } from './toml-edit.ts'
import { fixedKeys, keyCovering, tomlNames } from './toml-map.ts'

/** A change that a person asks for. */
export interface Wanted {
  /** `section.key`, or `section.table.name` for one entry of a table. */
  readonly key: string
  /** As typed; undefined takes the key out of the file. */
  readonly text: string | undefined
}

/** What became of it; `null` stands for a key that is not in the file. */
export interface Edited {
  readonly file: string
  readonly key: string
  readonly value: unknown
  readonly previous: unknown
  readonly notices: readonly string[]
}

type Path = readonly [string, ...string[]]

/** A new file holds no secret, but it lies among those that do. */
const NEW_FILE_MODE = 0o600

/** Checks first, and writes whole or not at all: a file that is right stays so. */
export async function editConfig(
  wanted: Wanted,
  flags: Flags,
  environment: Environment,
): Promise<Edited> {
  const { key } = wanted
  const path = pathTo(key)
  const named = configFileOf(flags, environment)
  const file = await realpath(named).catch(() => named)
  const text = (await readConfig(file, false)) ?? ''
  const before = parseToml(text, file)
  const value = wanted.text === undefined ? undefined : valueFrom(key, wanted.text)

  const next = edited(text, path, value === undefined ? undefined : written(value))
  if (typeof next !== 'string') {
    throw NodeError.CONFIG_UNEDITABLE({ file, key: shownKey(key), reason: next.reason })
  }
  checkOnly(next, { file, path, before, value })
  const problemsOf = (whole: string) =>
    problemsWith(() => {
      configOfText(whole, file, { flags, environment })
    })
  const left = checkNoWorse(
    problemsOf(text),
    problemsOf(next),
    shownKey(path.slice(0, 2).join('.')),
  )
  if (next !== text) await replaceFile(file, next)
  const overruled = settingsOfEnvironment(environment)
    .settings.filter(({ toml }) => toml === key)
    .map(({ where }) => `${where} sets ${key} as well, and wins over the file`)
  const notices = [...overruled, ...left]
  return { file, key, value: value ?? null, previous: at(before, path) ?? null, notices }
}

/** Throws unless the file may have such a key, or an entry of such a table. */
function pathTo(key: string): Path {
  const known = keyCovering(key)
  const [section = '', ...rest] = key.split('.')
  if (known?.kind === 'table') {
    const [table = '', ...name] = rest
    if (name.length > 0) return [section, table, name.join('.')]
    throw unknownKey(key, `${key}.<name>, one entry at a time`)
  }
  if (known !== undefined || fixedKeys.has(key)) return [section, rest.join('.')]
  throw unknownKey(key, nearestKey(key, tomlNames()))
}

function unknownKey(key: string, nearest: string) {
  return NodeError.CONFIG_KEY_UNKNOWN({ where: 'argument', key, nearest })
}

function problemsWith(check: () => void): readonly CodedError[] {
  try {
    check()
    return []
  } catch (error) {
    if (!isCoded(error)) throw error
    return error.cause instanceof AggregateError ? error.cause.errors.filter(isCoded) : [error]
  }
}

function isCoded(error: unknown): error is CodedError {
  return error instanceof CodedError
}

/**
 * A file that is wrong already is mended key by key: what was wrong before, elsewhere, does not
 * stand in the way, and is told. Throws what the change makes wrong.
 */
function checkNoWorse(
  before: readonly CodedError[],
  after: readonly CodedError[],
  key: string,
): readonly string[] {
  const known = new Set(before.map(nameOf))
  const fresh = after.filter((problem) => {
    return (problem.facts as { key?: string }).key === key || !known.has(nameOf(problem))
  })
  const [first, ...others] = fresh
  if (first !== undefined) {
    if (others.length === 0) throw first
    const problems = fresh.map(({ code, message }) => ({ code, message }))
    throw NodeError.CONFIG_INVALID({ problems }, new AggregateError(fresh))
  }
  return after.length === 0
    ? []
    : [`the file has ${after.length} more problems, which stop a start; see: config check`]
}

/** The same problem in another line is the same. */
function nameOf({ code, facts }: CodedError): string {
  const { key, found } = facts as { key?: string; found?: string }
  return JSON.stringify([code, key, found])
}

function written(value: unknown): string {
  return stringify({ x: value }).trim().replace(/^x = /, '')
}

interface Change {
  readonly file: string
  readonly path: Path
  readonly before: Readonly<Record<string, unknown>>
  readonly value: unknown
}

/** The text must say what it said before, and the one key what was asked for. */
function checkOnly(text: string, { file, path, before, value }: Change): void {
  const reason = 'its form is one that cannot be edited safely'
  const refused = NodeError.CONFIG_UNEDITABLE({ file, key: shownKey(path.join('.')), reason })
  let after: unknown
  try {
    after = parse(text, { integersAsBigInt: 'asNeeded' })
  } catch {
    throw refused
  }
  const wanted = withAt(before, path, value)
  if (!isDeepStrictEqual(pruned(after), pruned(wanted))) throw refused
}

function at(table: unknown, path: readonly string[]): unknown {
  return path.reduce((here, name) => (isTable(here) ? here[name] : undefined), table)
}

function withAt(table: unknown, [name, ...rest]: readonly string[], value: unknown): unknown {
  if (name === undefined) return value
  const here = isTable(table) ? table : {}
  return { ...here, [name]: withAt(here[name], rest, value) }
}

/** Tables without keys say nothing, so their headers may stay or go. */
function pruned(value: unknown): unknown {
  if (!isTable(value)) return value
  const entries = Object.entries(value)
    .map(([name, inner]) => [name, pruned(inner)] as const)
    .filter(([, inner]) => inner !== undefined && !(isTable(inner) && isEmpty(inner)))
  return Object.fromEntries(entries)
}

function isEmpty(table: object): boolean {
  return Object.keys(table).length === 0
}

/** Readers see the old text or the new, never a part; the mode of the file is kept. */
async function replaceFile(file: string, text: string): Promise<void> {
  const mode = await stat(file).then(
    (found) => found.mode & 0o777,
    () => NEW_FILE_MODE,
  )
  await writeFile(file, text, { mode })
}
