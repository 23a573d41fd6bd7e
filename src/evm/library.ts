/**
 * viem, loaded when a chain is first asked: a node without a registry pays neither the 40 MB of
 * memory nor the quarter of a second that it costs.
 */

import { EvmError } from './errors.ts'

/** The one that was tested. */
const VERSION = '2.56.9'

type Library = typeof import('./viem.ts')

/** Throws `EVM_LIBRARY_MISSING`, with what to do, where viem is not there or does not load. */
export async function chainLibrary(
  load: () => Promise<Library> = () => import('./viem.ts'),
): Promise<Library> {
  try {
    return await load()
  } catch (error) {
    const [reason = ''] = String(error).split('\n', 1)
    const facts = { library: 'viem', version: VERSION, reason: reason.slice(0, 300) }
    throw EvmError.LIBRARY_MISSING(facts, error)
  }
}
