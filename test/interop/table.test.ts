import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHECKS } from './checks.ts'
import { MAKERS } from './programs.ts'
import { type Passed, PUNCHES, pageOf, tableOf, WAYS } from './table.ts'

test('a maker or a way of which nothing passed has a column all the same', () => {
  const passed = [{ maker: 'a 1', way: 'QUIC', check: 'ping' }]
  const table = tableOf(passed, ['ping'], { makers: ['a 1', 'b 2'], ways: ['QUIC', 'TCP'] })
  assert.deepEqual(table.split('\n'), [
    '|      | a 1, QUIC | a 1, TCP | b 2, QUIC | b 2, TCP |',
    '| ---- | --------- | -------- | --------- | -------- |',
    '| ping | yes       | NO       | NO        | NO       |',
  ])
})

test('the page of a run in which nothing passed names every maker, way and row, and no yes', () => {
  const page = pageOf([])
  for (const maker of Object.values(MAKERS)) {
    for (const { way } of WAYS) assert.ok(page.includes(`${maker}, ${way}`), `${maker}, ${way}`)
  }
  for (const row of [...CHECKS.map(({ name }) => name), ...Object.values(PUNCHES)]) {
    assert.ok(page.includes(row), row)
  }
  assert.doesNotMatch(page, /\byes\b/)
  assert.match(page, /\bNO\b/)
})

test('what passed fills its cell and no other', () => {
  const all: Passed[] = [{ maker: MAKERS.rust, way: 'QUIC', check: 'identify' }]
  assert.equal(pageOf(all).match(/\| yes\b/g)?.length, 1)
})
