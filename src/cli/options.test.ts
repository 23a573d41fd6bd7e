import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BOB } from '../../test/support/cli-context.ts'
import { coded } from '../../test/support/expect.ts'
import { parseDuration, parsePeer, parsePort, parseToolArgs, required } from './options.ts'

const what = { command: 'start', option: '--api-port' }

test('parseDuration() reads milliseconds to days, within its limit', () => {
  assert.equal(parseDuration('500ms', 'call'), 500)
  assert.equal(parseDuration('30s', 'call'), 30_000)
  assert.equal(parseDuration('30', 'call'), 30_000)
  assert.equal(parseDuration('2m', 'call'), 120_000)
  assert.equal(parseDuration('6h', 'call'), 21_600_000)
  assert.equal(parseDuration('7d', 'send', '--expires', 7), 604_800_000)
  assert.throws(() => parseDuration('8d', 'send', '--expires', 7), /at most 7 days, not "8d"/)
})

for (const text of [
  '',
  '0',
  '0s',
  '-1',
  '1.5s',
  '2w',
  '25h',
  '1441m',
  '99999999999',
  ' 5',
  'soon',
]) {
  test(`parseDuration() refuses "${text}"`, () => {
    assert.throws(() => parseDuration(text, 'call'), coded('CLI_USAGE'))
  })
}

test('parsePort() reads 0 to 65535', () => {
  assert.equal(parsePort('0', what), 0)
  assert.equal(parsePort('65535', what), 65_535)
})

for (const text of ['', '-1', '65536', '1e3', '0x10', '99999999999', 'http']) {
  test(`parsePort() refuses "${text}"`, () => {
    assert.throws(() => parsePort(text, what), coded('CLI_USAGE'))
  })
}

test('parseToolArgs() reads one JSON object', () => {
  assert.deepEqual(parseToolArgs('{"a":2,"b":[40]}'), { a: 2, b: [40] })
})

const deep = `{"a":${'['.repeat(100)}${']'.repeat(100)}}`
for (const text of ['', '[]', '{', '"a"', 'null', '{"__proto__":1}', deep]) {
  test(`parseToolArgs() refuses ${text.slice(0, 20)}`, () => {
    assert.throws(() => parseToolArgs(text), coded('CLI_USAGE'))
  })
}

test('parsePeer() reads a peer id and refuses anything else', () => {
  assert.equal(parsePeer(BOB, 'call'), BOB)
  assert.throws(() => parsePeer('bob', 'call'), coded('CLI_USAGE'))
})

test('required() refuses what is missing or empty', () => {
  const wanted = { command: 'call', expected: 'a tool' }
  assert.equal(required(['a'], 0, wanted), 'a')
  assert.throws(() => required([], 0, wanted), coded('CLI_USAGE'))
  assert.throws(() => required([''], 0, wanted), coded('CLI_USAGE'))
})
