/** `npm run pack`: builds the package and prints the path of its tarball as the last line. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { build, out, root } from './build.mjs'

build()
const { status, stdout } = spawnSync('npm', ['pack', out, '--json', '--pack-destination', 'dist'], {
  cwd: root,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
  shell: process.platform === 'win32',
})
if (status !== 0) throw new Error('npm pack failed; its own words are above')
const [packed] = Object.values(JSON.parse(stdout))
console.log(join(root, 'dist', packed.filename))
