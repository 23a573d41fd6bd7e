import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../base/index.ts'
import { logEvent } from './stdio-log.ts'

test('a line of the log is an event with its module, its words and its fields', () => {
  const lines: string[] = []
  const log = createLog({ level: 'debug', write: (line) => void lines.push(line) })
  log.child('net').warn('went away', { peer: 'x' })
  log.info('here')
  const [first, second] = lines.map(logEvent)
  const level = { type: 'log', level: 'warn', namespace: 'net', message: 'went away' }
  assert.deepEqual(first, { ...level, meta: { peer: 'x' } })
  assert.deepEqual(second, { type: 'log', level: 'info', namespace: 'node', message: 'here' })
})

test('what is no line of ours is told as it is', () => {
  const plain = { type: 'log', level: 'info', namespace: 'node' }
  assert.deepEqual(logEvent('oops\n'), { ...plain, message: 'oops' })
  assert.deepEqual(logEvent('[1]'), { ...plain, message: '[1]' })
})
