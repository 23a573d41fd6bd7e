import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { testTool } from '../../test/support/mcp-directory.ts'
import { checkQuery, matches, type ToolQuery } from './tool-query.ts'

const tool = testTool('getSum', {
  description: 'Adds two numbers',
  inputSchema: { properties: { a: { type: 'number' } }, required: ['a'] },
})
const offered = { service: 'calc', tags: ['math'], tool }

test('matches() wants everything that the query names', () => {
  for (const [query, isMatch] of [
    [{}, true],
    [{ tool: 'getSum', tag: 'math', text: 'numbers', accepts: { a: 'number' } }, true],
    [{ tool: 'get' }, false],
    [{ tag: 'physics' }, false],
    [{ text: 'ADD num' }, true],
    [{ text: 'sum' }, true],
    [{ text: 'math calc' }, true],
    [{ text: 'umbers' }, false],
    [{ text: 'adds words' }, false],
    [{ accepts: { b: 'any' } }, false],
  ] as readonly (readonly [ToolQuery, boolean])[]) {
    assert.equal(matches(query, offered), isMatch, JSON.stringify(query))
  }
})

test('a tool whose arguments are not said is not found by them', () => {
  const said = { ...tool, args: null, hash: '' }
  const { inputSchema: _, ...described } = said
  assert.ok(!matches({ accepts: { a: 'number' } }, { ...offered, tool: described }))
  assert.ok(matches({ tool: 'getSum' }, { ...offered, tool: described }))
})

test('checkQuery() refuses what nothing can answer, and says what was found', () => {
  for (const query of [
    { tag: 'Two Words' },
    { text: ' ,.- ' },
    { text: 'x'.repeat(513) },
    { accepts: { a: 'float' } },
    { accepts: { 'two words': 'any' } },
    { accepts: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`a${i}`, 'any'])) },
  ]) {
    assert.throws(() => checkQuery(query), coded('MCP_QUERY_INVALID'))
  }
  checkQuery({ tag: 'math', text: 'add', accepts: { a: 'number' } })
})
