/**
 * Runs one ring: `npm test` is the one that everybody runs first, `npm run ring -- lab` another.
 *
 * `npm test` comes here through a second `npm run`: a shell remembers where it found `node`, and
 * the first command of a fresh clone found the machine's own, before ours was installed.
 */

import { RINGS, runRing } from './rings.mjs'

const [name = 'test'] = process.argv.slice(2)
if (!(name in RINGS)) {
  console.error(`no ring "${name}"; there are: ${Object.keys(RINGS).join(', ')}`)
  process.exit(2)
}
process.exitCode = runRing(name).exitCode
