/** The registry that senders are held against: where it is, and the gate before the inbox. */

import { RegistryGate, registryMetrics } from '../agent/index.ts'
import { AgentRegistry, Chain, type EvmConfig, EvmError, evmMetrics } from '../evm/index.ts'
import { type EthAddress, ethAddress } from '../identity/index.ts'
import type { Given } from './compose.ts'
import { loadConfig, type ResolvedConfig, secretFrom } from './load-config.ts'
import type { Environment, Flags } from './settings.ts'

/** A chain and the contract on it. The URL may hold a key, so it is nowhere shown. */
export interface RegistryPlace {
  readonly url: string
  readonly address: EthAddress
}

/**
 * What `[evm]` and the environment say; null where they name no registry, which is an error only
 * where senders must be registered.
 */
export async function registryPlace(
  { agent, evm }: Pick<ResolvedConfig, 'agent' | 'evm'>,
  environment?: Environment,
): Promise<RegistryPlace | null> {
  if (!agent.enabled) return null
  const url = await secretFrom(evm.rpcUrl, environment)
  const address = await addressText(evm, environment)
  if (isThere(url) && isThere(address)) return { url, address: ethAddress(address) }
  if (!agent.requireRegistered) return null
  return {
    url: wanted(url, 'the URL of the chain', evm.rpcUrl),
    address: ethAddress(wanted(address, 'its address', evm.registryAddress)),
  }
}

/** What a command needs that talks to the chain itself, without a node. */
export interface RegistrySettings {
  readonly url: string
  readonly evm: EvmConfig
  /** Throws `EVM_NOT_CONFIGURED` where there is none, as `key` does. */
  readonly address: () => EthAddress
  /** The Ethereum key as text: for a signer, and nobody else. */
  readonly key: () => string
}

/** Throws `EVM_NOT_CONFIGURED` where no chain is named. */
export async function registrySettings(
  flags: Flags,
  environment: Environment,
): Promise<RegistrySettings> {
  const { config } = await loadConfig(flags, environment)
  const { agent, evm } = config
  const [url, address, key] = await Promise.all([
    secretFrom(evm.rpcUrl, environment),
    addressText(evm, environment),
    secretFrom(agent.ethKey, environment),
  ])
  return {
    evm,
    url: wanted(url, 'the URL of the chain', evm.rpcUrl),
    address: () => ethAddress(wanted(address, 'its address', evm.registryAddress)),
    key: () => wanted(key, 'the key to sign with', agent.ethKey),
  }
}

/** Asks nothing yet: viem is loaded, and the chain asked, at the first message. */
export function composeRegistry(
  config: Pick<ResolvedConfig, 'agent' | 'evm'>,
  given: Given,
  self: EthAddress,
): RegistryGate {
  const { clock, random, registry: metrics, place } = given
  const common = { clock, random, log: given.log.child('agent') }
  const registry = place ? registryAt(place, config, given) : undefined
  return new RegistryGate(
    { ...common, registry, self, metrics: registryMetrics(metrics) },
    config.agent,
  )
}

function registryAt(
  { url, address }: RegistryPlace,
  { evm }: Pick<ResolvedConfig, 'evm'>,
  { clock, random, registry, log }: Given,
): AgentRegistry {
  const deps = { clock, random, log: log.child('evm'), metrics: evmMetrics(registry) }
  return new AgentRegistry(new Chain(deps, { ...evm, url }), address)
}

async function addressText(
  { registryAddress }: EvmConfig,
  environment: Environment | undefined,
): Promise<string | undefined> {
  return registryAddress.startsWith('0x')
    ? registryAddress
    : secretFrom(registryAddress, environment)
}

function wanted(text: string | undefined, what: string, where: string): string {
  if (isThere(text)) return text
  throw EvmError.NOT_CONFIGURED({ what, where })
}

function isThere(text: string | undefined): text is string {
  return text !== undefined && text !== ''
}
