/** The effective configuration, written as the file that would give it. */

import { stringify } from 'smol-toml'
import type { NodeConfig } from './config.ts'
import { NodeError } from './errors.ts'
import { nearestKey } from './nearest-key.ts'
import { isTable, parseToml } from './settings.ts'
import { fixedKeys, keyCovering, keys, tomlNames, toToml } from './toml-map.ts'
import { valueAt } from './value-at.ts'

/** What such a text gives one key, or one entry of a table; refuses names that are no keys. */
export function valueIn(toml: string, key: string): unknown {
  const [section = '', name = '', ...entry] = key.split('.')
  const known = keyCovering(key) ?? fixedKeys.get(key)
  if (known === undefined) {
    const nearest = nearestKey(key, tomlNames())
    throw NodeError.CONFIG_KEY_UNKNOWN({ where: 'argument', key, nearest })
  }
  const table = parseToml(toml, 'the configuration')[section]
  const value = isTable(table) ? table[name] : undefined
  return known.toml === key || !isTable(value) ? value : value[entry.join('.')]
}

/** Keys that are left out because absence means something are shown as comments. */
export function effectiveToml(config: NodeConfig): string {
  const lines: string[] = []
  const tables: string[] = []
  let section = ''
  for (const toml of tomlNames()) {
    const [name = '', key = ''] = toml.split('.')
    if (name !== section) {
      lines.push(...tables.splice(0), '', `[${name}]`)
      section = name
    }
    const known = keys.get(toml)
    const value = known === undefined ? fixedKeys.get(toml)?.now : valueAt(config, known.code)
    if (value === undefined) lines.push(`# ${key} is not set. ${known?.description ?? ''}`)
    else if (known?.kind === 'table') tables.push(...tableLines(toml, value))
    else lines.push(stringify({ [key]: known === undefined ? value : toToml(known, value) }).trim())
  }
  return `${[...lines, ...tables].join('\n').trim()}\n`
}

/** A table of tables has a header for each of them, and none of its own. */
function tableLines(toml: string, value: unknown): string[] {
  const entries = Object.entries(value as object) as [string, unknown][]
  const tables = entries.filter(([, inner]) => isTable(inner))
  const plain = Object.fromEntries(entries.filter(([, inner]) => !isTable(inner)))
  const lines = stringify(plain).trim()
  return [
    ...(lines === '' ? [] : ['', `[${toml}]`, lines]),
    ...tables.flatMap(([name, inner]) => tableLines(`${toml}.${quoted(name)}`, inner)),
  ]
}

function quoted(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)
}
