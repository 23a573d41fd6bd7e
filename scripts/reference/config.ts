/** `docs/reference/config.md`: every key of the configuration file. */

import { type Knob, knobs } from '../../src/node/config.ts'
import { nodeConfig, PRESETS, type Preset } from '../../src/node/index.ts'
import { overPreset } from '../../src/node/presets.ts'
import { AT_ONCE } from '../../src/node/reconfigure.ts'
import {
  type FixedKey,
  fixedKeys,
  type Key,
  keys,
  tomlNames,
  toToml,
} from '../../src/node/toml-map.ts'
import { valueAt } from '../../src/node/value-at.ts'
import { code, page, table, value } from './table.ts'

const INTRO = `Keys stand in \`config.toml\` of the data folder, or in the file of \`--config\`, under
their section. The environment wins over the file (\`P2P_<SECTION>_<KEY>\`, lists separated by commas),
flags win over both. Whatever is wrong is named before anything starts, all of it at once:
\`p2p config check\`. Change a key with \`p2p config set <section>.<key> <value>\`: a key marked **at once**
then changes in the running node as well, any other when it is started again. Times are in seconds.`

/** What each section is about, in one sentence. */
const PURPOSE: Readonly<Record<string, string>> = {
  network: 'Who this node is, where it listens, and how patient it is with connections.',
  bootstrap: 'The first peers.',
  dht: 'Finding peers, services and records beyond the peers that are connected.',
  pubsub: 'Messages to all who read a topic.',
  tunneling: 'IPv6 where there is none.',
  mcp: 'Offering tools, calling those of others, and serving assistants on this machine.',
  security: 'Who may do how much; a cost unit is one request, a write to the DHT costs five.',
  resources: 'What the node may use of this machine.',
  control: 'The local API that `p2p` and other programs use.',
  channel: 'Channels that outlive a connection (`node.channel`).',
  log: 'What is written to standard error.',
  rpc: 'Questions between peers.',
  storage: 'Files and records kept for others.',
  memory: 'The memory network.',
  agent: 'Messages to Ethereum addresses.',
  evm: 'The registry of agents on its chain.',
}

const FLAGS: Readonly<Record<string, string>> = {
  'network.data': '--data',
  'network.listen_addresses': '--listen',
  'bootstrap.nodes': '--bootstrap',
  'network.name': '--network',
  'network.preset': '--preset',
  'control.api_address': '--api-port',
  'mcp.server_address': '--mcp-port',
}

export function configPage(): string {
  const sections = Map.groupBy(tomlNames(), (toml) => toml.split('.', 1)[0] ?? '')
  const parts = [...sections].map(([name, names]) => section(name, names))
  return page('Configuration', INTRO, [...parts, presets()])
}

function section(name: string, names: readonly string[]): string {
  const purpose = PURPOSE[name]
  if (purpose === undefined) throw new Error(`section [${name}] has no sentence in the reference`)
  const built = names.flatMap((toml) => keys.get(toml) ?? [])
  const fixed = names.flatMap((toml) => fixedKeys.get(toml) ?? [])
  const parts = [`## [${name}]`, purpose]
  const head = ['Key', 'Default', 'Allowed', 'Applies', 'What it is', 'Variable']
  if (built.length > 0) parts.push(table(head, built.map(row)))
  if (fixed.length > 0) {
    const rows = fixed.map((key) => [code(bare(key.toml)), value(key.now), why(key)])
    parts.push(table(['Key', 'Only value', 'Why'], rows))
  }
  return parts.join('\n\n')
}

function row(key: Key): string[] {
  const knob = knobOf(key)
  const flag = FLAGS[key.toml]
  return [
    code(bare(key.toml)),
    'fallback' in knob ? value(toToml(key, knob.fallback)) : 'not set',
    allowed(key, knob),
    AT_ONCE.has(key.code) ? '**at once**' : 'restart',
    sentence(key.description),
    `${code(variable(key.toml))}${flag === undefined ? '' : ` or ${code(flag)}`}`,
  ]
}

function allowed(key: Key, { min, max, choices, kind }: Knob): string {
  if (choices !== undefined) return choices.map((choice) => value(choice)).join(', ')
  if (kind === 'boolean') return '`true`, `false`'
  if (kind === 'table') return 'a section of its own'
  if (kind === 'text') return 'text'
  const unit = unitOf(key)
  const said = (bound: number) => String(toToml(key, bound))
  if (kind === 'texts') return max === undefined ? 'a list' : `a list, at most ${max}`
  if (min !== undefined && max !== undefined) return `${said(min)} … ${said(max)}${unit}`
  return `a number${unit}`
}

function unitOf({ code: path }: Key): string {
  if (/(?:Ms|Seconds)$/.test(path)) return ' s'
  return /bytes(?:Max)?$/i.test(path) ? ' bytes' : ''
}

function why({ comesWith, because = '' }: FixedKey): string {
  return comesWith === undefined ? sentence(because) : `Not built yet: it comes with ${comesWith}.`
}

/** Where a preset starts from something other than the defaults. */
function presets(): string {
  const of = (preset: Preset) => nodeConfig.parse(overPreset({ preset }))
  const all = PRESETS.map((preset) => ({ preset, config: of(preset) }))
  const rows = [...keys.values()].flatMap((key) => {
    const values = all.map(({ config }) => valueAt(config, key.code))
    const shown = values.map((one) => (one === undefined ? 'not set' : value(toToml(key, one))))
    return new Set(shown).size === 1 || key.code === 'preset' ? [] : [[code(key.toml), ...shown]]
  })
  const purpose =
    'What a node is for: a preset is what every key is taken from that nobody sets. ' +
    'Keys that are not listed have their default in each.'
  return ['## Presets', purpose, table(['Key', ...PRESETS.map((name) => code(name))], rows)].join(
    '\n\n',
  )
}

const byPath = new Map(knobs().map((knob) => [knob.path, knob]))

function knobOf({ code: path }: Key): Knob {
  const knob = byPath.get(path)
  if (knob === undefined) throw new Error(`no knob at ${path}`)
  return knob
}

function bare(toml: string): string {
  return toml.slice(toml.indexOf('.') + 1)
}

function variable(toml: string): string {
  return toml === 'network.data' ? 'P2P_DATA' : `P2P_${toml.replace('.', '_').toUpperCase()}`
}

function sentence(text: string): string {
  return text === '' ? '' : `${text[0]?.toUpperCase() ?? ''}${text.slice(1).replace(/\.$/, '')}.`
}
