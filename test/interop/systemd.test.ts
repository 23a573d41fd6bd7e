/** systemd reads the unit in `packaging/`, and says how much a service of it may do. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const UNIT = readFileSync(join(ROOT, 'packaging/systemd/p2p-foundation.service'), 'utf8')
/** Of 100, where 100 is a service that may do everything (systemd-analyze(1), security). */
const EXPOSURE_MAX = 20

/** What `systemd-analyze` says of the unit, as if it were installed in this clone. */
function analyze(text: string, ...words: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-unit-'))
  try {
    const file = join(folder, 'p2p-foundation.service')
    writeFileSync(file, text.replaceAll('/opt/p2p-foundation/', ROOT))
    const { status, stdout, stderr, error } = spawnSync('systemd-analyze', [...words, file], {
      encoding: 'utf8',
    })
    assert.equal(error, undefined, `apt-get install systemd: ${error?.message ?? ''}`)
    return { status, said: `${stdout}${stderr}` }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('systemd finds nothing wrong with the unit', () => {
  const { said } = analyze(UNIT, 'verify')
  assert.doesNotMatch(said, /p2p-foundation\.service:/, said)
  const typo = analyze(UNIT.replace('ProtectHome=', 'ProtectHouse='), 'verify')
  assert.match(typo.said, /ProtectHouse/)
})

test('systemd finds little that the service may do', () => {
  const words = ['security', '--offline=true', `--threshold=${EXPOSURE_MAX}`]
  const { status, said } = analyze(UNIT, ...words)
  assert.equal(status, 0, said)
  assert.notEqual(analyze('[Service]\nExecStart=/bin/true\n', ...words).status, 0)
})
