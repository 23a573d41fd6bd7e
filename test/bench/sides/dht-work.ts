/** The proof of work on a record, apart from everything else that a put does. */

import { randomBytes } from 'node:crypto'
import { solveWork } from '../../../src/access/index.ts'
import { serveWorker } from '../harness-worker.ts'

/** As long as what a record of 100 bytes has signed. */
const SIGNED_BYTES = 250

await serveWorker({
  async solve({ bits, count }: { readonly bits: number; readonly count: number }) {
    const times: number[] = []
    for (let i = 0; i < count; i += 1) {
      const bytes = randomBytes(SIGNED_BYTES)
      const began = performance.now()
      await solveWork(bytes, bits)
      times.push(performance.now() - began)
    }
    return times
  },
})
