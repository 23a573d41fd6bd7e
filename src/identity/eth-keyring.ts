/**
 * The Ethereum key in the data folder: `eth.key`, mode 0600, one line of 64 hex digits after "0x",
 * as wallets import it.
 */

import { hasCode, type Random, toHex } from '../base/index.ts'
import { IdentityError } from './errors.ts'
import { type EthSigner, ethKeyFromText, ethSigner, newEthKey } from './ethereum.ts'
import { createKeyFile, readKeyFile } from './key-file.ts'

/** The signer over the key in `file`, which is made where there is none. */
export async function loadOrCreateEthSigner(file: string, random: Random): Promise<EthSigner> {
  const text = await readKeyFile(file)
  if (text !== undefined) return parse(text, file)
  const key = newEthKey(random)
  if (await createKeyFile(file, `0x${toHex(key)}`, random)) return ethSigner(key)
  return loadOrCreateEthSigner(file, random)
}

function parse(text: string, file: string): EthSigner {
  try {
    return ethSigner(ethKeyFromText(text))
  } catch (error) {
    if (!hasCode(error, 'IDENTITY_ETH_KEY_INVALID')) throw error
    throw IdentityError.ETH_KEY_FILE_MALFORMED({ file })
  }
}
