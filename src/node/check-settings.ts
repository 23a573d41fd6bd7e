/**
 * From settings to a configuration, or to the list of everything that is wrong with them.
 *
 * Nothing stops at the first problem: who edits a file wants to hear of all of them at once.
 */

import { type CodedError, unreachable } from '../base/index.ts'
import { type KnobKind, type NodeConfig, type NodeOptions, nodeConfig } from './config.ts'
import { contradictions, misreadAddresses } from './cross-checks.ts'
import { NodeError } from './errors.ts'
import { nearestKey } from './nearest-key.ts'
import { overPreset } from './presets.ts'
import { isTable, type Setting, sectionNames } from './settings.ts'
import { shown, shownKey } from './shown.ts'
import { type FixedKey, fixedKeys, keys, SECTIONS_TO_COME, toCode, tomlNames } from './toml-map.ts'
import { wantedBy } from './wanted.ts'

/** Later settings win over earlier ones. Throws one problem as itself, several as a list. */
export function configFrom(settings: readonly Setting[]): NodeConfig {
  const problems = settings.flatMap((setting) => problemOf(setting) ?? [])
  const refused = new Set(problems.map(({ facts }) => (facts as { key: string }).key))
  const sound = settings.filter(({ toml }) => keys.has(toml) && !refused.has(shownKey(toml)))
  const effective = new Map(sound.map((setting) => [setting.toml, setting]))
  problems.push(...contradictions(effective), ...misreadAddresses(effective))

  const parsed = nodeConfig.safeParse(overPreset(treeOf(effective)))
  for (const issue of parsed.error?.issues ?? []) problems.push(misfit(issue, effective))
  const [first, ...others] = problems
  if (first !== undefined && others.length === 0) throw first
  if (first !== undefined) {
    const list = problems.map(({ code, message }) => ({ code, message }))
    throw NodeError.CONFIG_INVALID({ problems: list }, new AggregateError(problems))
  }
  return parsed.data as NodeConfig
}

function problemOf({ toml, value, where }: Setting): CodedError | undefined {
  const key = shownKey(toml)
  const kind = (keys.get(toml) ?? fixedKeys.get(toml))?.kind
  if (kind === undefined) return strangeKey(toml, value, where)
  if (!fits(kind, value)) {
    const found = `${nameOf(value)} ${shown(value)}`
    return NodeError.CONFIG_VALUE_INVALID({ where, key, found, wanted: WANTED[kind] })
  }
  const fixed = fixedKeys.get(toml)
  return fixed === undefined ? undefined : changed(fixed, { toml, value, where })
}

function strangeKey(toml: string, value: unknown, where: string): CodedError {
  const key = shownKey(toml)
  const [section = ''] = toml.split('.')
  if (SECTIONS_TO_COME.some((coming) => coming === section) && section !== 'tunneling') {
    return NodeError.NOT_BUILT_YET({
      where,
      key,
      found: shown(value),
      now: 'nothing',
      comesWith: `the room "${section}"`,
    })
  }
  return NodeError.CONFIG_KEY_UNKNOWN({
    where,
    key,
    nearest: shownKey(nearestKey(toml, isTable(value) ? [...sectionNames()] : tomlNames())),
  })
}

/** A fixed key must say what is so anyway. */
function changed(fixed: FixedKey, { toml, value, where }: Setting): CodedError | undefined {
  if (JSON.stringify(value) === JSON.stringify(fixed.now)) return undefined
  const facts = { where, key: shownKey(toml), found: shown(value) }
  const now = shown(fixed.now)
  const { comesWith, because = '' } = fixed
  if (comesWith !== undefined) return NodeError.NOT_BUILT_YET({ ...facts, now, comesWith })
  const remedy = `Remove the key or set it to ${now}`
  return NodeError.CONFIG_UNSAFE({
    ...facts,
    found: `found ${facts.found}, but ${because}`,
    remedy,
  })
}

function treeOf(settings: ReadonlyMap<string, Setting>): NodeOptions {
  const tree: Record<string, unknown> = {}
  for (const { toml, value } of settings.values()) {
    const key = keys.get(toml)
    if (key === undefined) continue
    const [room = '', knob] = key.code.split('.')
    if (knob === undefined) tree[room] = toCode(key, value)
    else tree[room] = { ...(tree[room] as object | undefined), [knob]: toCode(key, value) }
  }
  return tree
}

/** An issue of the schema, told with the file's name, place and units. */
function misfit(issue: Issue, settings: ReadonlyMap<string, Setting>): CodedError {
  const path = issue.path.map(String)
  const key = [...keys.values()].find(({ code }) => {
    return code === path.slice(0, code.split('.').length).join('.')
  })
  const toml = key?.toml ?? path.join('.')
  const setting = settings.get(toml)
  const inside = path.slice(key?.code.split('.').length ?? path.length)
  const value = inside.reduce<unknown>(
    (whole, name) => (whole as Record<string, unknown> | undefined)?.[name],
    setting?.value,
  )
  return NodeError.CONFIG_VALUE_INVALID({
    where: setting?.where ?? 'preset',
    key: shownKey(toml),
    found: shown(value),
    wanted: wantedBy(issue, key?.scale ?? 1),
  })
}

type Issue = NonNullable<ReturnType<typeof nodeConfig.safeParse>['error']>['issues'][number]

const WANTED: Readonly<Record<KnobKind, string>> = {
  text: 'text in quotes',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  texts: 'a list of texts',
  table: 'a section of its own',
}

function fits(kind: KnobKind, value: unknown): boolean {
  switch (kind) {
    case 'text':
      return typeof value === 'string'
    case 'integer':
      return Number.isSafeInteger(value)
    case 'number':
      return typeof value === 'number' && Number.isFinite(value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'texts':
      return Array.isArray(value) && value.every((item) => typeof item === 'string')
    case 'table':
      return isTable(value)
    default:
      return unreachable(kind)
  }
}

function nameOf(value: unknown): string {
  if (typeof value === 'string') return 'text'
  if (typeof value === 'number' || typeof value === 'bigint') return 'the number'
  if (typeof value === 'boolean') return 'the truth value'
  if (Array.isArray(value)) return 'a list'
  return isTable(value) ? 'a table' : 'a date or time'
}
