/** The Ethereum key of a node: where the configuration says, else `eth.key` in its data folder. */

import { join } from 'node:path'
import type { Random } from '../base/index.ts'
import {
  type EthSigner,
  ethKeyFromText,
  ethSigner,
  loadOrCreateEthSigner,
} from '../identity/index.ts'
import { type ResolvedConfig, secretFrom } from './load-config.ts'
import type { Environment } from './settings.ts'

/** The file in the data folder. */
export const ETH_KEY_FILE = 'eth.key'

/**
 * Null where the node speaks for no address: then no key is read and none is made. A file that was
 * named and is not there is an error: the node would speak for another address than it was told.
 */
export async function ethSignerOf(
  { agent, dataDir }: ResolvedConfig,
  random: Random,
  environment?: Environment,
): Promise<EthSigner | null> {
  if (!agent.enabled) return null
  const text = await secretFrom(agent.ethKey, environment)
  if (text !== undefined && text !== '') return ethSigner(ethKeyFromText(text, agent.ethKey))
  return loadOrCreateEthSigner(join(dataDir, ETH_KEY_FILE), random)
}
