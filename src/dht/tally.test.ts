import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Tally } from './tally.ts'

const row = fc.record({
  sender: fc.constantFrom('a', 'b'),
  site: fc.constantFrom(null, 'a', 'b'),
  bytes: fc.nat(100),
})

test('sums are those of the rows that are there, in whatever order they came and went', () => {
  fc.assert(
    fc.property(fc.array(row), fc.array(fc.nat()), (rows, leaving) => {
      const tally = new Tally<'sender' | 'site'>()
      const there = [...rows]
      for (const { bytes, ...accounts } of rows) tally.add(accounts, bytes)
      for (const at of leaving) {
        const [gone] = there.splice(at % (there.length || 1), 1)
        if (gone !== undefined) tally.remove({ sender: gone.sender, site: gone.site }, gone.bytes)
      }
      const sum = (of: typeof rows) => ({
        records: of.length,
        bytes: of.reduce((bytes, each) => bytes + each.bytes, 0),
      })
      assert.deepEqual(tally.all, sum(there))
      for (const id of ['a', 'b']) {
        assert.deepEqual(tally.of('sender', id), sum(there.filter(({ sender }) => sender === id)))
        assert.deepEqual(tally.of('site', id), sum(there.filter(({ site }) => site === id)))
      }
    }),
  )
})
