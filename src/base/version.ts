/** The version of this software, as its package says it. */

import { readFileSync } from 'node:fs'

/** Read at run time, so that the number stands in one place only. */
export function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  return version
}
