/**
 * Preloaded into each file of tests (`--import`): ends one that has no test to run and does not
 * end, as failed, and says what keeps it.
 *
 * `--test-timeout` ends a test, never a file. A test that fails before it closes its server leaves
 * a process that waits for ever, and the ring with it. A file may be without a running test for as
 * long as one test may take.
 */

import { afterEach, beforeEach } from 'node:test'
import { isMainThread } from 'node:worker_threads'

// A test may put a clock of its own in their place.
const { setTimeout, clearTimeout } = globalThis

const [, timeout] = /--test-timeout=(\d+)/.exec(process.execArgv.join(' ')) ?? []
const isTests = /\.test\.[mc]?[jt]s$/.test(process.argv[1] ?? '')

if (isTests && isMainThread && timeout !== undefined && 'NODE_TEST_CONTEXT' in process.env) {
  watch(Number(timeout))
}

function watch(idleMs) {
  let running = 0
  let ended
  const end = () => {
    const kept = process.getActiveResourcesInfo().join(', ')
    process.stderr.write(`${process.argv[1]}: its tests have ended; it is kept by ${kept}\n`)
    process.exit(1)
  }
  beforeEach(() => {
    running += 1
    clearTimeout(ended)
  })
  afterEach(() => {
    running -= 1
    if (running === 0) ended = setTimeout(end, idleMs).unref()
  })
}
