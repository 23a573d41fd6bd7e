/** A registry on a chain of its own, and those who use it. */

import { Registry, secureRandom, silentLog, systemClock } from '../../src/base/index.ts'
import {
  AgentRegistry,
  Chain,
  deployRegistry,
  evmMetrics,
  type RegistryWrite,
  type Signer,
  signerOf,
} from '../../src/evm/index.ts'
import { type EthAddress, ethAddress } from '../../src/identity/index.ts'
import { KEYS, startAnvil } from './anvil.ts'

export interface User {
  readonly key: string
  readonly signer: Signer
  readonly address: EthAddress
}

/** A chain as a node has one, on the system's clock. */
export function chainAt(url: string): Chain {
  const metrics = evmMetrics(new Registry())
  const deps = { clock: systemClock, random: secureRandom, log: silentLog, metrics }
  return new Chain(deps, { url, requestTimeoutMs: 10_000, attemptsMax: 2 })
}

/** A new chain with a registry that the first of five users owns. */
export async function registryNet(options: { readonly state?: string } = {}) {
  const anvil = await startAnvil(options)
  const chain = chainAt(anvil.url)
  const users = await Promise.all(
    KEYS.map(async (key): Promise<User> => {
      const signer = await signerOf(key)
      return { key, signer, address: ethAddress(signer.address) }
    }),
  )
  const [owner, ...others] = users as [User, ...User[]]
  const { contract } = await deployRegistry(chain, owner.signer)
  const registry = new AgentRegistry(chain, contract)
  const write = (user: User, call: RegistryWrite) => registry.write(call, user.signer)
  const stop = () => anvil.stop()
  return { anvil, chain, registry, owner, others, write, [Symbol.asyncDispose]: stop }
}
