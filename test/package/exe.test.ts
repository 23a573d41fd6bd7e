/** `npm run build:exe`: the executable of the agent document, from any folder, over the bundle. */

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

test('dist/p2p-node answers lines from any folder, and ends with its input', () => {
  execFileSync(process.execPath, ['scripts/build-exe.mjs'], { cwd: ROOT, timeout: 240_000 })
  const input =
    'nonsense\n{"type":"send","peerId":"x","data":1,"id":1}\n{"type":"shutdown","id":2}\n'
  const ran = spawnSync(join(ROOT, 'dist', 'p2p-node'), ['-p', '0'], {
    cwd: tmpdir(),
    input,
    encoding: 'utf8',
    timeout: 60_000,
  })
  const events = ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; code?: string })
  assert.deepEqual(
    events.map(({ type, code }) => code ?? type),
    ['PROTOCOL_JSON_MALFORMED', 'PROTOCOL_STATE_WRONG', 'log'],
  )
  assert.deepEqual([ran.status, ran.stderr], [0, ''])
})
