/**
 * Libraries that are loaded when somebody first needs them, so that a node which never does pays
 * neither the time nor the memory. The runtime loads a module once, however many ask at once, and
 * asks again after a failure.
 */

import { BaseError } from './base-errors.ts'

/** Loads with `load`, an `import()`; throws `BASE_LIBRARY_UNUSABLE` when that does not succeed. */
export async function firstUse<Library>(
  library: string,
  load: () => Promise<Library>,
): Promise<Library> {
  try {
    return await load()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw BaseError.LIBRARY_UNUSABLE({ library, reason }, error)
  }
}
