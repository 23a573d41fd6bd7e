import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StdioOutlet } from './stdio-outlet.ts'

/** An outlet whose reader can stop and go on. */
function setup() {
  const lines: Record<string, unknown>[] = []
  let drain = () => {}
  const sink = {
    isFull: false,
    write: (line: string) => {
      assert.ok(line.endsWith('\n') && line.indexOf('\n') === line.length - 1)
      lines.push(JSON.parse(line) as Record<string, unknown>)
    },
    onDrain: (flush: () => void) => {
      drain = flush
    },
  }
  const outlet = new StdioOutlet(sink)
  const readAll = () => {
    sink.isFull = false
    drain()
  }
  return { lines, outlet, sink, readAll }
}

test('an event is one line, with bytes and maps as JSON has them', () => {
  const { lines, outlet } = setup()
  outlet.tell({ type: 'message', data: new Map([['a', 1n]]) })
  assert.deepEqual(lines, [{ type: 'message', data: { a: '1' } }])
})

test('what nobody reads is left out beyond a bound, counted and told', async () => {
  const { lines, outlet, sink, readAll } = setup()
  sink.isFull = true
  for (let i = 0; i < 1_030; i += 1) outlet.tell({ type: 'message', i })
  for (let i = 0; i < 3; i += 1) outlet.tell({ type: 'log', i })
  assert.equal(outlet.isFull, true)
  let answered = false
  const answer = outlet.answer({ type: 'ready' }).then(() => {
    answered = true
  })
  await Promise.resolve()
  assert.equal(answered, false)
  readAll()
  await answer
  assert.equal(lines.length, 1_026)
  assert.equal(lines[1_024]?.type, 'ready')
  assert.equal(lines[1_025]?.code, 'RESOURCE_EVENTS_LOST')
  assert.match(String(lines[1_025].message), /6 events and 3 log lines/)
})

test('few large lines fill it as well', () => {
  const { outlet, sink } = setup()
  sink.isFull = true
  const data = 'x'.repeat(1_048_576)
  for (let i = 0; i < 8; i += 1) outlet.tell({ type: 'message', data })
  assert.equal(outlet.isFull, true)
})
