/** The registry of agents as commands use it: one chain, one contract, one key at most. */

import { Registry, secureRandom, silentLog, systemClock } from '../base/index.ts'
import {
  type AgentEntry,
  AgentRegistry,
  Chain,
  type ChainOptions,
  deployRegistry,
  evmMetrics,
  type Receipt,
  type RegistryWrite,
  type SendOptions,
  type Signer,
  signerOf,
} from '../evm/index.ts'
import type { EthAddress } from '../identity/index.ts'
import { type Environment, type Flags, registrySettings } from '../node/index.ts'

/** What `p2p registry …` asks; each question loads and waits for no more than it needs. */
export interface RegistryRoom {
  /** Of the chain, which is all that may be shown of its URL. */
  readonly host: string
  /** Throws where none is configured, as the next one does without a key. */
  address(): EthAddress
  signer(): Promise<Pick<Signer, 'address' | 'publicKey'>>
  chainId(options: ChainOptions): Promise<bigint>
  facts(options: ChainOptions): ReturnType<AgentRegistry['facts']>
  entry(agent: EthAddress, options: ChainOptions): Promise<AgentEntry | undefined>
  isBlockedBy(by: EthAddress, agent: EthAddress, options: ChainOptions): Promise<boolean>
  write(call: RegistryWrite, options: SendOptions): Promise<Receipt>
  deploy(options: SendOptions): ReturnType<typeof deployRegistry>
}

export async function registryRoom({
  flags,
  env,
}: {
  readonly flags: Flags
  readonly env: Environment
}): Promise<RegistryRoom> {
  const { url, evm, address, key } = await registrySettings(flags, env)
  const metrics = evmMetrics(new Registry())
  const deps = { clock: systemClock, random: secureRandom, log: silentLog, metrics }
  const chain = new Chain(deps, { ...evm, url })
  const registry = () => new AgentRegistry(chain, address())
  return {
    host: chain.host,
    address,
    signer: async () => signerOf(key()),
    chainId: (options) => chain.id(options),
    facts: async (options) => registry().facts(options),
    entry: async (agent, options) => registry().entry(agent, options),
    isBlockedBy: async (by, agent, options) => registry().isBlockedBy(by, agent, options),
    write: async (call, options) => registry().write(call, await signerOf(key()), options),
    deploy: async (options) => deployRegistry(chain, await signerOf(key()), options),
  }
}
