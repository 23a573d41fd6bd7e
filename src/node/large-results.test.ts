import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testPeer } from '../../test/support/mcp-directory.ts'
import type { OnLarge } from '../mcp/index.ts'
import { wholeOutcomes } from './large-results.ts'

test('a result that a silent peer kept goes where the caller wants those that are long', async () => {
  const result = { content: [] }
  const settle = async () => ({ kind: 'ran' as const, result })
  const given: unknown[] = []
  const outcomes = wholeOutcomes({ settle }, async (_, plain, { onlarge }) => {
    given.push(onlarge)
    return plain
  })
  const onlarge: OnLarge = () => undefined
  const question = { tool: 't', key: 'k', withinMs: 1, onlarge }
  await outcomes.settle(testPeer(1), question, new AbortController().signal)
  assert.deepEqual(given, [onlarge])
})
