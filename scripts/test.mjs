/** `npm test`: the ring that everybody runs first. `node scripts/test.mjs lab` runs another. */

import { RINGS, runRing } from './rings.mjs'

const name = process.argv[2] ?? 'test'
if (!(name in RINGS)) {
  console.error(`no ring "${name}"; there are: ${Object.keys(RINGS).join(', ')}`)
  process.exit(2)
}
process.exitCode = runRing(name).exitCode
