/** What is wrong with settings of the right kind: unsafe, contradictory, or no address at all. */

import { type CodedError, hasCode } from '../base/index.ts'
import { parseListenAddress, parseMultiaddr } from '../net/index.ts'
import { NodeError } from './errors.ts'
import { REGIONS } from './regions.ts'
import type { Setting } from './settings.ts'
import { shown, shownKey } from './shown.ts'
import { keys } from './toml-map.ts'

/** Values that are sound by themselves and wrong beside each other. */
export function contradictions(settings: ReadonlyMap<string, Setting>): CodedError[] {
  const problems: CodedError[] = []
  for (const [address, flag] of BEYOND_LOOPBACK) {
    const setting = settings.get(address)
    if (typeof setting?.value !== 'string' || !isBeyondLoopback(setting.value)) continue
    if (settings.get(flag)?.value === true) continue
    problems.push(
      NodeError.CONFIG_UNSAFE({
        where: setting.where,
        key: shownKey(address),
        found: `${shown(setting.value)} can be reached from other hosts, in clear text`,
        remedy: `Use 127.0.0.1, or set ${shownKey(flag)} = true if you mean to expose this node`,
      }),
    )
  }
  problems.push(...grpcProblems(settings))
  if (settings.get('network.preset')?.value !== 'private') return problems
  for (const [toml, remedy] of NOT_PRIVATE) {
    const setting = settings.get(toml)
    const off = setting === undefined || setting.value === false || shown(setting.value) === '[]'
    if (off) continue
    const found = `${shown(setting.value)} is not for preset "private"`
    const { where } = setting
    problems.push(NodeError.CONFIG_CONFLICT({ where, key: shownKey(toml), found, remedy }))
  }
  return problems
}

/** Other hosts are served over TLS alone, which needs both files. */
function grpcProblems(settings: ReadonlyMap<string, Setting>): CodedError[] {
  const address = settings.get('control.grpc_address')
  if (typeof address?.value !== 'string' || !isBeyondLoopback(address.value)) return []
  if (GRPC_FILES.every((toml) => settings.has(toml))) return []
  return [
    NodeError.CONFIG_UNSAFE({
      where: address.where,
      key: shownKey(address.toml),
      found: `${shown(address.value)} can be reached from other hosts, in clear text`,
      remedy: `Use 127.0.0.1, or set ${GRPC_FILES.map(shownKey).join(' and ')} for TLS`,
    }),
  ]
}

const GRPC_FILES = ['control.grpc_certificate_file', 'control.grpc_key_file'] as const

const BEYOND_LOOPBACK = [
  ['control.api_address', 'control.expose_beyond_loopback'],
  ['mcp.server_address', 'mcp.expose_beyond_loopback'],
] as const

const WHOM_IT_KNOWS = 'A private group dials whom it knows: p2p connect <address>'

/** The keys of the file that name first peers. */
const FIRST_PEERS: readonly string[] = [...keys.values()]
  .filter(({ code }) => ['nodes', ...REGIONS].some((key) => code === `bootstrap.${key}`))
  .map(({ toml }) => toml)

const NOT_PRIVATE = [
  ['dht.enabled', 'A private group has no DHT; remove the key or use preset "public"'],
  ...FIRST_PEERS.map((toml) => [toml, WHOM_IT_KNOWS] as const),
] as const

/** What is no address at all is for the schema to refuse. */
function isBeyondLoopback(address: string): boolean {
  const loopback = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\]|localhost):\d+$/i
  return /^[^/]+:\d+$/.test(address) && !loopback.test(address)
}

/** Addresses that cannot be listened on or dialled, each with the reason. */
export function misreadAddresses(settings: ReadonlyMap<string, Setting>): CodedError[] {
  return ADDRESSES.flatMap(([toml, parse]) => {
    const setting = settings.get(toml)
    const list = (setting?.value ?? []) as readonly string[]
    return list.flatMap((address) => {
      try {
        parse(address)
        return []
      } catch (error) {
        const facts = { where: setting?.where ?? '', key: shownKey(toml), found: shown(address) }
        const wanted = `an address such as ${EXAMPLE}: ${reasonOf(error)}`
        return [NodeError.CONFIG_VALUE_INVALID({ ...facts, wanted }, error)]
      }
    })
  })
}

/** What is wrong with the address alone: the rest of the sentence is ours. */
function reasonOf(error: unknown): string {
  if (hasCode(error, 'NET_ADDRESS_INVALID')) return (error.facts as { reason: string }).reason
  return error instanceof Error ? error.message : String(error)
}

const EXAMPLE = '/ip4/192.0.2.1/tcp/9000/p2p/12D3KooW…'

const ADDRESSES: readonly (readonly [string, (text: string) => unknown])[] = [
  ['network.listen_addresses', parseListenAddress],
  ['network.announce_addresses', parseMultiaddr],
  ...FIRST_PEERS.map((toml) => [toml, parseMultiaddr] as const),
]
