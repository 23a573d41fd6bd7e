/**
 * Settings: what a file, the environment and flags say, before any of it is believed.
 *
 * Each source only finds out what was said and where; whether a key exists and a value fits is
 * checked in one place, `check-settings.ts`, so that every source is told of it in the same way.
 */

import { parse, TomlError } from 'smol-toml'
import { NodeError } from './errors.ts'
import { fixedKeys, keys, tomlNames } from './toml-map.ts'

export interface Setting {
  /** `section.key`, as in the file. */
  readonly toml: string
  readonly value: unknown
  /** Where it was said: a file and line, a variable, a flag. */
  readonly where: string
}

/** The command line's own words; every one of them wins over file and environment. */
export interface Flags {
  readonly data?: string
  readonly config?: string
  readonly listen?: readonly string[]
  readonly bootstrap?: readonly string[]
  readonly apiPort?: number
  readonly mcpPort?: number
  readonly grpcPort?: number
  readonly network?: string
  readonly preset?: string
}

/** The variables of a process: a parameter wherever they are read, so tests give theirs. */
export type Environment = Readonly<Record<string, string | undefined>>

const PREFIX = 'P2P_'
/** Variables with our prefix that are no keys. */
const NOT_KEYS: readonly string[] = ['P2P_DATA', 'P2P_CONFIG']

/** What the text of a configuration file says. */
export function settingsOfFile(text: string, file: string): readonly Setting[] {
  const lines = text.split('\n')
  const sections = sectionNames()
  return Object.entries(parseToml(text, file)).flatMap(([section, table]) => {
    const at = (key?: string) => {
      const line = lineOf(lines, section, key)
      return line === undefined ? file : `${file}:${line}`
    }
    if (!isTable(table)) return [{ toml: section, value: table, where: at() }]
    // A section without keys says nothing, unless its name is a mistake.
    if (Object.keys(table).length === 0 && !sections.has(section)) {
      return [{ toml: section, value: table, where: at() }]
    }
    return Object.entries(table).map(([key, value]) => {
      return { toml: `${section}.${key}`, value, where: at(key) }
    })
  })
}

/**
 * What `P2P_<SECTION>_<KEY>` variables say; lists are separated by commas. Variables that begin
 * with our prefix but name no section of ours may be somebody else's: they come back as `strange`.
 */
export function settingsOfEnvironment(environment: Environment): {
  settings: readonly Setting[]
  strange: readonly string[]
} {
  const sections = sectionNames()
  const settings: Setting[] = []
  const strange: string[] = []
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || NOT_KEYS.includes(name) || text === undefined) continue
    const [section = '', ...rest] = name.slice(PREFIX.length).toLowerCase().split('_')
    if (!sections.has(section) || rest.length === 0) {
      strange.push(name)
      continue
    }
    const toml = `${section}.${rest.join('_')}`
    settings.push({ toml, value: valueFrom(toml, text), where: `environment variable ${name}` })
  }
  return { settings, strange }
}

/** What flags say. A port keeps the address that the other sources gave, or loopback. */
export function settingsOfFlags(flags: Flags, below: readonly Setting[]): readonly Setting[] {
  const settings: Setting[] = []
  const set = (toml: string, value: unknown, flag: string) => {
    if (value !== undefined) settings.push({ toml, value, where: `flag ${flag}` })
  }
  const setPort = (toml: string, port: number | undefined, flag: string) => {
    if (port === undefined) return
    const known = below.findLast((setting) => setting.toml === toml)?.value
    const host = typeof known === 'string' ? known.replace(/:\d+$/, '') : '127.0.0.1'
    set(toml, `${host}:${port}`, flag)
  }
  set('network.data', flags.data, '--data')
  set('network.listen_addresses', flags.listen, '--listen')
  set('bootstrap.nodes', flags.bootstrap, '--bootstrap')
  set('network.name', flags.network, '--network')
  set('network.preset', flags.preset, '--preset')
  setPort('control.api_address', flags.apiPort, '--api-port')
  setPort('mcp.server_address', flags.mcpPort, '--mcp-port')
  setPort('control.grpc_address', flags.grpcPort, '--grpc-port')
  return settings
}

/** The sections that a file may have. */
export function sectionNames(): ReadonlySet<string> {
  return new Set(tomlNames().map((toml) => toml.split('.', 1)[0] ?? ''))
}

/** The tables of a TOML text; throws with the place where it is none. */
export function parseToml(text: string, file: string): Readonly<Record<string, unknown>> {
  try {
    return parse(text, { integersAsBigInt: 'asNeeded', unsafeKeyBehaviour: 'throw', maxDepth: 16 })
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const { line, column, message } = error
    const reason = message.split('\n', 1)[0] ?? message
    throw NodeError.CONFIG_SYNTAX({ file, line, column, reason }, error)
  }
}

/** The parser tells no places, so the line is looked for; files as people write them are found. */
function lineOf(lines: readonly string[], section: string, key?: string): number | undefined {
  let here = ''
  for (const [i, line] of lines.entries()) {
    const header = /^\s*\[\s*([^\][]+?)\s*\]/.exec(line)?.[1]
    if (header !== undefined) {
      here = header
      if (header === (key === undefined ? section : `${section}.${key}`)) return i + 1
      continue
    }
    const name = /^\s*"?([A-Za-z0-9_.-]+)"?\s*=/.exec(line)?.[1]
    if (name === undefined) continue
    const whole = here === '' ? name : `${here}.${name}`
    if (whole === (key === undefined ? section : `${section}.${key}`)) return i + 1
  }
  return undefined
}

/** Text of a variable as the key's kind; what does not fit stays text and is refused later. */
export function valueFrom(toml: string, text: string): unknown {
  const kind = keys.get(toml)?.kind ?? fixedKeys.get(toml)?.kind
  if (kind === 'texts') {
    return text.trim() === '' ? [] : text.split(',').map((item) => item.trim())
  }
  if (kind === 'boolean' && /^(?:true|false)$/.test(text)) return text === 'true'
  if ((kind === 'integer' || kind === 'number') && /^-?\d+(?:\.\d+)?$/.test(text)) {
    return Number(text)
  }
  return text
}

/** Whether a value of the file is a section or an inline table; dates are objects, too. */
export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
