import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StdioOutlet } from './stdio-outlet.ts'

/** An outlet whose reader can stop and go on. */
function setup() {
  const lines: Record<string, unknown>[] = []
  /** What is called when the system has a line. */
  const taken: (() => void)[] = []
  let drain = () => {}
  const sink = {
    isFull: false,
    write: (line: string, written?: () => void) => {
      assert.ok(line.endsWith('\n') && line.indexOf('\n') === line.length - 1)
      if (written !== undefined) taken.push(written)
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
  return { lines, outlet, sink, readAll, taken }
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

test('what is kept elsewhere waits for its reader, and may be taken back', async () => {
  const { lines, outlet, sink, readAll, taken } = setup()
  sink.isFull = true
  for (let i = 0; i < 1_024; i += 1) outlet.tell({ type: 'log', i })
  const never = new AbortController().signal
  let isHanded = false
  const handing = outlet.hand({ type: 'message', n: 1 }, never).then(() => {
    isHanded = true
  })
  const back = new AbortController()
  const leaving = outlet.hand({ type: 'message', n: 2 }, back.signal)
  back.abort(new TypeError('enough'))
  await assert.rejects(leaving, /enough/)
  await assert.rejects(outlet.hand({ type: 'message', n: 3 }, back.signal), /enough/)
  readAll()
  await Promise.resolve()
  assert.equal(isHanded, false, 'the system has not taken it')
  for (const written of taken) written()
  await handing
  assert.deepEqual(lines.slice(1_024), [{ type: 'message', n: 1 }])
})
