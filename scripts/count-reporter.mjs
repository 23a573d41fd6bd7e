/** Writes the counts of a whole run of node's test runner, and its coverage, as one JSON object. */

export default async function* countReporter(source) {
  let counts = { passed: 0, failed: 1, skipped: 0 }
  let lines = null
  for await (const event of source) {
    if (event.type === 'test:coverage') lines = event.data.summary.totals.coveredLinePercent
    if (event.type !== 'test:summary' || event.data.file !== undefined) continue
    const { passed, tests, skipped, todo, cancelled } = event.data.counts
    const failed = tests - passed - skipped - todo
    counts = { passed, failed: Math.max(failed, cancelled), skipped: skipped + todo }
  }
  yield JSON.stringify({ ...counts, lines })
}
