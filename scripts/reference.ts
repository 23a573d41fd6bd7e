/**
 * Writes `docs/reference/` from the code: `node scripts/reference.ts`. With `--check` it writes
 * nothing and fails when what is there is not what the code says.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cliPage } from './reference/cli.ts'
import { configPage } from './reference/config.ts'
import { errorsPage } from './reference/errors.ts'
import { httpPage } from './reference/http.ts'
import { metricsPage } from './reference/metrics.ts'
import { ROOT } from './reference/modules.ts'

const FOLDER = join(ROOT, 'docs', 'reference')

/** Every page as it should be, by the name of its file. */
export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['config.md', configPage()],
    ['errors.md', await errorsPage()],
    ['metrics.md', await metricsPage()],
    ['cli.md', cliPage()],
    ['http.md', await httpPage()],
  ])
}

/** The names of pages that are not as they should be. */
export async function stalePages(): Promise<readonly string[]> {
  const stale: string[] = []
  for (const [name, wanted] of await referencePages()) {
    const found = await readFile(join(FOLDER, name), 'utf8').catch(() => '')
    if (found !== wanted) stale.push(name)
  }
  return stale
}

async function main(words: readonly string[]): Promise<void> {
  if (words.includes('--check')) {
    const stale = await stalePages()
    if (stale.length === 0) return
    console.error(
      `docs/reference is not what the code says: ${stale.join(', ')}. Run: npm run docs:reference`,
    )
    process.exitCode = 1
    return
  }
  await mkdir(FOLDER, { recursive: true })
  for (const [name, text] of await referencePages()) await writeFile(join(FOLDER, name), text)
}

if (import.meta.main) await main(process.argv.slice(2))
