/**
 * Floor 3. Contracts on a chain that others run: the registry of agents.
 *
 * In: a JSON-RPC URL, the address of the contract and, for what changes something, a private key.
 * Out: entries and standings, held to limits; transactions that are in a block, or that nobody
 * knows of. viem is loaded at the first request. Start reading at `chain.ts`.
 */

export {
  Chain,
  type ChainConfig,
  type ChainDeps,
  type ChainOptions,
  type Receipt,
  type SendOptions,
} from './chain.ts'
export { type EvmConfig, evmConfig } from './config.ts'
export {
  AGENT_METADATA_BYTES_MAX,
  AGENT_NAME_BYTES_MAX,
  AGENT_STATUSES,
  type AgentEntry,
  AgentRegistry,
  type AgentStatus,
  deployRegistry,
  type RegistryWrite,
  type Standing,
  signerOf,
} from './contracts.ts'
export { EvmError } from './errors.ts'
export { type EvmMetrics, evmMetrics } from './metrics.ts'
export type { Fetch, Signer } from './shapes.ts'
