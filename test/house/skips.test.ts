/** No test of the laboratory or of interoperability is skipped in CI: it would be a lie. */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { skipOutsideCi } from '../support/ci.ts'

const root = join(import.meta.dirname, '..')
/** What makes a test skipped, and what keeps that out of CI. */
const SKIPS = /\.skip\(|\bskip\b\s*[,:}]|\btest\.skip\b|\btodo\b/
const OUTSIDE_CI = 'const skip = process.env.CI === undefined && '

for (const ring of ['lab', 'interop']) {
  for (const file of readdirSync(join(root, ring)).filter((one) => one.endsWith('.ts'))) {
    test(`${ring}/${file} skips outside CI only`, () => {
      const text = readFileSync(join(root, ring, file), 'utf8')
      assert.doesNotMatch(text, /(context|inner|\bt|test)\.(skip|todo)\(/, 'use skipOutsideCi()')
      if (SKIPS.test(text)) assert.ok(text.includes(OUTSIDE_CI), `wanted: ${OUTSIDE_CI}…`)
    })
  }
}

test('skipOutsideCi() skips with the reason, and fails in CI', () => {
  const skipped: unknown[] = []
  const skip = (why?: string) => void skipped.push(why)
  const context = { skip }
  skipOutsideCi(context, 'no Go', {})
  assert.deepEqual(skipped, ['no Go'])
  assert.throws(() => skipOutsideCi(context, 'no Go', { CI: 'true' }), /no Go/)
  assert.equal(skipped.length, 1)
})
