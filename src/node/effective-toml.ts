/** The effective configuration, written as the file that would give it. */

import { stringify } from 'smol-toml'
import type { NodeConfig } from './config.ts'
import { fixedKeys, keys, tomlNames, toToml } from './toml-map.ts'

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

function tableLines(toml: string, value: unknown): string[] {
  const lines = stringify(value).trim()
  return lines === '' ? [] : ['', `[${toml}]`, lines]
}

function valueAt(config: NodeConfig, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], config)
}
