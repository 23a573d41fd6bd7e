/** Agents for tests: both keys of each, and records as they publish them. */

import { type PreKey, PreKeys, packPreKey } from '../../src/agent/pre-keys.ts'
import { seededRandom } from '../../src/base/index.ts'
import { encodeEthValue } from '../../src/dht/index.ts'
import {
  type EthSigner,
  ethSigner,
  newEthKey,
  type Signer,
  signBinding,
} from '../../src/identity/index.ts'
import { signerOf } from './dht-fixture.ts'
import type { FakeClock } from './fake-clock.ts'

export const AGENTS_NETWORK = 'test'

export interface TestAgent {
  readonly eth: EthSigner
  readonly node: Signer
}

/** The same for the same number. */
export function agentOf(seed: number): TestAgent {
  return { eth: ethSigner(newEthKey(seededRandom(`agent ${seed}`))), node: signerOf(seed) }
}

/** Pre-keys that are kept nowhere. */
export function preKeysOf({ node }: TestAgent, clock: FakeClock): PreKeys {
  const store = { load: async () => [], save: async () => undefined }
  const random = seededRandom(`pre-keys ${node.peer}`)
  return new PreKeys({ signer: node, network: AGENTS_NETWORK, clock, random, store })
}

/** The value of an agent's record, valid from `nowMs` for a day. */
export async function recordValue(
  { eth, node }: TestAgent,
  nowMs: number,
  { version = nowMs, preKeys = [] as readonly PreKey[], network = AGENTS_NETWORK } = {},
): Promise<Uint8Array> {
  const times = { version, issuedMs: nowMs, expiresMs: nowMs + 86_400_000 }
  const binding = await signBinding(times, { eth, node }, network)
  return Uint8Array.from(encodeEthValue({ binding, preKeys: preKeys.map(packPreKey) }))
}
