/** What is committed of the contracts is what they compile to. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

test('src/evm/agent-registry is what contracts/AgentRegistry.sol compiles to', () => {
  const words = ['scripts/contracts.mjs', '--check']
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
  assert.equal(status, 0, `run npm run contracts\n${stdout}${stderr}`)
})
