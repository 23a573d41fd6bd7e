/** A worker for the tests of the harness: answers, fails and dies when told to. */

import { serveWorker } from './harness-worker.ts'

await serveWorker({
  echo: (params: unknown) => params,
  fail: () => {
    throw new TypeError('on purpose')
  },
  die: () => process.exit(3),
})
