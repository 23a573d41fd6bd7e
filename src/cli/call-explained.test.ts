import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALICE, BOB } from '../../test/support/mcp-fixture.ts'
import { explained } from './call-explained.ts'
import type { Paint } from './output.ts'

const plainly: Paint = (_, text) => text

test('a call that was carried says by whom, and what does not come that way', () => {
  const found = { asked: 1, silent: 0, cached: true, ms: 0 }
  const tried = { peer: BOB, path: 'relayed', via: ALICE, ms: 90, code: 'ok', atMs: 0 }
  const told = explained({ found, considered: [], tried: [tried] }, plainly).join('\n')
  assert.match(told, new RegExp(`${BOB} +relayed via ${ALICE} +90 ms +ok`))
  assert.match(told, /no progress, and no questions of the tool/)
  const { via: _, ...direct } = { ...tried, path: 'quic' }
  const plain = explained({ found, considered: [], tried: [direct] }, plainly).join('\n')
  assert.doesNotMatch(plain, /relayed|progress/)
})
