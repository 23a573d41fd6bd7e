/** Which folder is the data folder: the one asked for, else `P2P_DATA`, else the platform's. */

import envPaths from 'env-paths'

const APP_NAME = 'p2p-foundation'

/** `asked` is what a flag or a program named. The path may be relative. */
export function dataDirFrom(
  asked: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const { P2P_DATA } = environment
  if (asked !== undefined) return asked
  if (P2P_DATA !== undefined && P2P_DATA !== '') return P2P_DATA
  return envPaths(APP_NAME, { suffix: '' }).data
}
