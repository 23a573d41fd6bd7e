/**
 * `npm run build:exe`: the executable `dist/p2p-node` of the agent document, over the bundle.
 *
 * It is `bin/p2p-node` with the bundle in place of the sources, so that it starts on the Node of
 * this repository whichever one is on the path, and as fast as a bundle does.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

await import('./bundle.mjs')

const root = fileURLToPath(new URL('..', import.meta.url))
const SOURCE = "'../src/control/stdio.ts'"
const text = readFileSync(join(root, 'bin', 'p2p-node'), 'utf8')
const built = text.replace(SOURCE, "'./bundle/stdio.js'")
if (built === text) throw new Error(`bin/p2p-node no longer imports ${SOURCE}`)
mkdirSync(join(root, 'dist'), { recursive: true })
writeFileSync(join(root, 'dist', 'p2p-node'), built, { mode: 0o755 })
writeFileSync(join(root, 'dist', 'bundle', 'package.json'), '{ "type": "module" }\n')
// As in bin/: every Node since 18 can read it, and say that it is too old.
writeFileSync(join(root, 'dist', 'package.json'), '{ "type": "commonjs" }\n')
console.log('built dist/p2p-node')
