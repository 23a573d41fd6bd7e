/**
 * Changing the configuration of a node that runs.
 *
 * A room is given its section as one object and reads most of its knobs where it uses them, so a
 * knob whose every reader does that is changed by writing it there. `AT_ONCE` lists these; a few
 * others are handed to the room that keeps something made from them. All else needs a restart,
 * and is left as it is.
 */

import type { AccessPolicy } from '../access/index.ts'
import type { LogLevels } from '../base/index.ts'
import { configFrom } from './check-settings.ts'
import { type NodeConfig, nodeConfig } from './config.ts'
import { overPreset } from './presets.ts'
import { REGIONS } from './regions.ts'
import type { Setting } from './settings.ts'
import { fixedKeys, keyCovering, keys, toToml } from './toml-map.ts'
import { valueAt } from './value-at.ts'

/** New values by key of the file, in its units; null is what the preset says. */
export type Changes = Readonly<Record<string, unknown>>

/** Keys of the file, by what became of their change. */
export interface Reconfigured {
  readonly now: readonly string[]
  readonly restart: readonly string[]
}

/** Those who keep something that was made from their knobs. */
export interface Reconfigurable {
  readonly policy: Pick<AccessPolicy, 'reconfigure'>
  readonly log: { setLevels(levels: LogLevels): void }
}

/** Knobs, by their place in `NodeConfig`, that apply from the next use on, without a restart. */
export const AT_ONCE: ReadonlySet<string> = new Set([
  'log.level',
  'log.modules',
  'access.ratePerPeer',
  'access.rateGranted',
  'access.rateTotal',
  'access.burstSeconds',
  'access.blocked',
  'access.granted',
  'bootstrap.nodes',
  ...REGIONS.map((region) => `bootstrap.${region}`),
  'net.connectionsMax',
  'net.memoryMaxMb',
  'net.peerMemoryBytes',
  'net.connectionMemoryBytes',
  'net.bandwidthMaxMbps',
  'net.bandwidthPerPeerMaxMbps',
  'net.connectionsPerPeerMax',
  'net.connectionsPerHostMax',
  'net.connectionsPerSiteMax',
  'net.pendingPerHostMax',
  'net.pendingPerSiteMax',
  'dht.alpha',
  'dht.paths',
  'dht.questionsMax',
  'dht.lookupTimeoutMs',
  'dht.questionTimeoutMs',
  'dht.replication',
  'dht.readQuorum',
  'dht.streamIdleMs',
  'dht.streamsMax',
  'dht.recordsMax',
  'dht.bytesMax',
  'dht.publisherRecordsMax',
  'dht.publisherBytesMax',
  'dht.providersMax',
  'dht.providersPerKeyMax',
  'dht.providersPerPeerMax',
  'pubsub.queueMax',
  'pubsub.queueBytesMax',
  'pubsub.messagesPerSecondMax',
  'pubsub.bytesPerSecondMax',
  'pubsub.bytesPerPeerPerSecondMax',
  'rpc.callTimeoutMs',
  'rpc.serveTimeoutMs',
  'rpc.servingMax',
  'rpc.peersMax',
  'mcp.concurrentMax',
  'mcp.requestTimeoutMs',
  'mcp.attemptsMax',
  'mcp.attemptTimeoutMs',
  'mcp.serviceStartTimeoutMs',
  'mcp.lookupTimeoutMs',
  'mcp.journalKeepMs',
  'mcp.outcomeWaitMs',
])

/** Refuses all changes when one is wrong; `config` is what the rooms of the node hold. */
export function reconfigure(
  config: NodeConfig,
  changes: Changes,
  rooms: Reconfigurable,
): Reconfigured {
  const next = configFrom(settingsAfter(config, changes))
  const changed = [...keys.values()].filter(({ code }) => {
    return !isSame(valueAt(config, code), valueAt(next, code))
  })
  const now = changed.filter(({ code }) => AT_ONCE.has(code))
  for (const { code } of now) {
    const [room = '', knob = ''] = code.split('.')
    const section = valueAt(config, room) as Record<string, unknown>
    section[knob] = valueAt(next, code)
  }
  const touched = new Set(now.map(({ code }) => code.split('.', 1)[0]))
  if (touched.has('access')) rooms.policy.reconfigure(config.access)
  if (touched.has('log')) rooms.log.setLevels({ ...config.log })
  const restart = changed.filter(({ code }) => !AT_ONCE.has(code))
  return { now: now.map(({ toml }) => toml), restart: restart.map(({ toml }) => toml) }
}

/** The whole configuration as settings, with the changes over it. */
function settingsAfter(config: NodeConfig, changes: Changes): Setting[] {
  const { preset } = config
  const untouched = nodeConfig.parse(overPreset({ preset }))
  const running: Setting[] = [...keys.values()].flatMap((key) => {
    const value = valueAt(config, key.code)
    // What the preset says anyway was said by nobody, and may be otherwise in another preset.
    const isOwn = key.code === 'preset' || !isSame(value, valueAt(untouched, key.code))
    if (key.kind !== 'table' && (!isOwn || value === undefined)) return []
    if (Object.hasOwn(changes, key.toml)) return []
    return [{ toml: key.toml, value: toToml(key, value), where: 'running node' }]
  })
  const asked = Object.entries(changes).flatMap(([toml, value]): Setting[] => {
    const known = keyCovering(toml)
    if (known?.kind === 'table' && known.toml !== toml) return []
    // A key that does not exist is refused with its value, so one must be there.
    if (value === null && (known ?? fixedKeys.get(toml)) !== undefined) return []
    return [{ toml, value, where: 'request' }]
  })
  return [...withEntries(running, changes), ...asked]
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Entries of tables, such as `log.modules.net`, are changed in the table that they are of. */
function withEntries(settings: readonly Setting[], changes: Changes): Setting[] {
  return settings.map((setting) => {
    const prefix = `${setting.toml}.`
    const entries = Object.entries(changes).filter(([toml]) => toml.startsWith(prefix))
    if (entries.length === 0) return setting
    const table: Record<string, unknown> = { ...(setting.value as object) }
    for (const [toml, value] of entries) {
      const name = toml.slice(prefix.length)
      if (value === null) delete table[name]
      else table[name] = value
    }
    return { ...setting, value: table, where: 'request' }
  })
}
