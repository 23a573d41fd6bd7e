/** What may be offered as a service: read from the command line, the API and `services.json`. */

import { isAbsolute } from 'node:path'
import { isJsonObject, type Json, type JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { readExposure } from './exposure.ts'
import type { Tool } from './own-tool.ts'
import { readPublicity } from './publicity.ts'
import type { ServiceSource, ServiceSpec } from './tool.ts'
import { TOOLS_MAX } from './tool-list.ts'

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/
const TEXT_CHARS_MAX = 32 * 1024
const ARGS_MAX = 256
const ENV_MAX = 256

export function isServiceName(text: string): boolean {
  return NAME.test(text)
}

/** Reads a spec of unknown origin; throws `MCP_SERVICE_INVALID` naming the field. */
export function readServiceSpec(value: unknown): ServiceSpec {
  const spec = objectIn(value, 'the service', ['name', 'source', 'exposure', 'publicity'])
  const { name, exposure, publicity } = spec
  const allowed = exposure === undefined ? {} : { exposure: readExposure(exposure) }
  const told = publicity === undefined ? {} : { publicity: readPublicity(publicity) }
  return { name: readName(name), source: readSource(spec.source), ...allowed, ...told }
}

/** Reads what a program offers under `name`: at least one tool, each with a name of its own. */
export function readOwnTools(
  name: string,
  tools: readonly Tool[],
): { readonly name: string; readonly tools: readonly Tool[] } {
  const names = new Set<string>()
  if (tools.length === 0 || tools.length > TOOLS_MAX) {
    throw invalid('the number of its tools', tools.length, `1 to ${TOOLS_MAX}`)
  }
  for (const tool of tools) {
    if (!isTool(tool)) throw invalid('one of its tools', tool, 'what tool(…) makes')
    if (names.has(tool.info.name)) {
      throw invalid('the name of two of its tools', tool.info.name, 'a name of its own for each')
    }
    names.add(tool.info.name)
  }
  return { name: readName(name), tools: [...tools] }
}

function isTool(value: unknown): value is Tool {
  return typeof value === 'object' && value !== null && 'info' in value && 'run' in value
}

function readName(name: unknown): string {
  if (typeof name === 'string' && isServiceName(name)) return name
  throw invalid('its name', name, 'lower-case letters, digits and hyphens, at most 63')
}

function readSource(value: Json | undefined): ServiceSource {
  if (isJsonObject(value) && value.kind === 'http') {
    const { url } = objectIn(value, 'its source', ['kind', 'url'])
    return { kind: 'http', url: readUrl(url) }
  }
  const source = objectIn(value, 'its source', ['kind', 'command', 'args', 'cwd', 'env'])
  if (source.kind !== 'stdio') throw invalid('its kind', source.kind, 'stdio or http')
  const { args = [], env = {} } = source
  if (!Array.isArray(args) || args.length > ARGS_MAX) {
    throw invalid('its arguments', args, `a list of at most ${ARGS_MAX}`)
  }
  const command = readText('its command', source.command)
  if (command === '') throw invalid('its command', command, 'the program to run')
  const cwd = readText('its folder', source.cwd)
  if (!isAbsolute(cwd)) throw invalid('its folder', cwd, 'an absolute path')
  const list = args.map((arg: Json) => readText('an argument', arg))
  return { kind: 'stdio', command, args: list, cwd, env: readEnv(env) }
}

function readUrl(value: Json | undefined): string {
  const text = readText('its URL', value)
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw invalid('its URL', text, 'one that begins with http:// or https://')
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid('its URL', '(not shown)', 'one without a user name and a password')
  }
  return url.href
}

function readEnv(value: Json): Readonly<Record<string, string>> {
  const entries = isJsonObject(value) ? Object.entries(value) : undefined
  if (entries === undefined || entries.length > ENV_MAX) {
    throw invalid('its environment', value, `at most ${ENV_MAX} names with a text each`)
  }
  return Object.fromEntries(
    entries.map(([name, text]) => {
      if (!ENV_NAME.test(name)) throw invalid('a name in its environment', name, 'a plain name')
      return [name, readText(`${name} in its environment`, text)]
    }),
  )
}

function readText(field: string, value: Json | undefined): string {
  if (typeof value === 'string' && value.length <= TEXT_CHARS_MAX && !value.includes('\0')) {
    return value
  }
  throw invalid(field, value, `a text of at most ${TEXT_CHARS_MAX} characters without NUL`)
}

function objectIn(value: unknown, field: string, keys: readonly string[]): JsonObject {
  if (!isJsonObject(value)) throw invalid(field, value, `an object with ${keys.join(', ')}`)
  const unknown = Object.keys(value).find((key) => !keys.includes(key))
  if (unknown === undefined) return value
  throw invalid(`a key of ${field}`, unknown, `one of ${keys.join(', ')}`)
}

function invalid(field: string, found: unknown, wanted: string) {
  const shown =
    typeof found === 'string' ? found : found === undefined ? 'nothing' : JSON.stringify(found)
  return McpError.SERVICE_INVALID({ field, found: shown.slice(0, 80), wanted })
}
