/** A test that cannot run here says why and is skipped; in CI, which has everything, it fails. */

import type { TestContext } from 'node:test'

export function skipOutsideCi(
  context: Pick<TestContext, 'skip'>,
  why: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): void {
  if (env.CI !== undefined) throw new Error(`cannot run in CI: ${why}`)
  context.skip(why)
}
