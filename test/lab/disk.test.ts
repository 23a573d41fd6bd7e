/**
 * A full disk: the data folder is a small tmpfs, in a mount namespace that ends with the test.
 *
 *   p2p start ──▶ DIR (tmpfs, 64 KiB, filled to the brim)
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorOf, p2p } from '../support/cli.ts'

test('p2p start on a full disk says so, and leaves what was there', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'p2p-full-'))
  const prepare = [
    `mount -t tmpfs -o size=64k tmpfs ${dir}`,
    `echo kept > ${dir}/kept`,
    `cat /dev/zero > ${dir}/filler 2>/dev/null`,
    '"$@"',
    'code=$?',
    `grep -q kept ${dir}/kept || exit 99`,
    'exit $code',
  ].join('\n')
  const wrapper = ['unshare', '--mount', 'bash', '-c', prepare, 'bash']
  const words = ['start', '--json', '--data', dir, '--api-port=0', '--mcp-port=0']
  const run = await p2p(words, { wrapper })
  assert.equal(run.code, 9, run.stderr)
  assert.match(errorOf(run).message, /space|full/i)
  await rm(dir, { recursive: true, force: true })
})
