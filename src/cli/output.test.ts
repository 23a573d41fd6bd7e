import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Memory } from '../../test/support/cli-context.ts'
import { BaseError } from '../base/index.ts'
import { clean, cleanLine, fields, Output, safeJson, table } from './output.ts'

const plain = (_: string, text: string) => text
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get out.
const ACTIVE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/

function output({ json = false, color = false, tty = false } = {}) {
  const out = new Memory(tty)
  const err = new Memory(tty)
  return { out, err, output: new Output({ out, err }, { json, color }) }
}

test('clean() leaves no character that acts on a terminal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.doesNotMatch(clean(text), ACTIVE)
      assert.doesNotMatch(cleanLine(text), /[\n\t]/)
    }),
  )
})

test('clean() cuts whole escape sequences and keeps lines and ordinary text', () => {
  assert.equal(clean('\u001b[2J\u001b]0;title\u0007red\u001b[31m\nnext\té…'), 'red\nnext\té…')
  assert.equal(cleanLine('two\n  lines \u202egnp.exe'), 'two lines gnp.exe')
})

test('safeJson() reads back as it was and holds nothing that acts on a terminal', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
      const written = safeJson({ value, text })
      assert.doesNotMatch(written, ACTIVE)
      assert.doesNotMatch(written, /\n/)
      assert.deepEqual(JSON.parse(written), JSON.parse(JSON.stringify({ value, text })))
    }),
  )
})

test('table() makes columns as wide as their widest cell', () => {
  assert.deepEqual(
    table(
      ['A', 'NAME'],
      [
        ['long', 'x'],
        ['\u001b[1mb', 'two\nlines'],
      ],
      plain,
    ),
    ['A     NAME', 'long  x', 'b     two lines'],
  )
})

test('fields() gives every further value a line of its own', () => {
  assert.deepEqual(fields({ One: 'a', Other: ['b', 'c'] }, plain), [
    'One    a',
    'Other  b',
    '       c',
  ])
})

test('draw() replaces the picture before, within the terminal, and starts anew when that changes', () => {
  const terminal = {
    text: '',
    columns: 10,
    rows: 4,
    isTTY: true,
    write(text: string) {
      terminal.text = text
    },
  }
  const last = (): string => terminal.text
  const out = new Output({ out: terminal, err: new Memory() }, { json: false, color: false })
  out.draw(['one', 'much too long'])
  assert.equal(last(), '\r\u001b[2Kone\n\u001b[2Kmuch too…\n\u001b[J')
  out.draw(['one'])
  assert.equal(last(), '\r\u001b[2A\u001b[2Kone\n\u001b[J')
  out.draw(['1', '2', '3', '4', '5'])
  assert.equal(last().replaceAll('\u001b[2K', ''), '\r\u001b[1A1\n2\n…\n\u001b[J')
  terminal.columns = 20
  out.draw(['one'])
  assert.equal(last(), '\u001b[2J\u001b[H\u001b[2Kone\n\u001b[J')
})

test('print() writes lines for a person and JSON for a program', () => {
  const person = output()
  person.output.print({ a: 1 }, () => ['one', 'two'])
  assert.equal(person.out.text, 'one\ntwo\n')
  const program = output({ json: true })
  program.output.print({ a: 1 }, () => assert.fail('nobody reads it'))
  program.output.note('not for programs')
  assert.equal(program.out.text, '{"a":1}\n')
  assert.equal(program.err.text, '')
})

test('paint() colours only where colours are wanted', () => {
  assert.equal(output().output.paint('red', 'x'), 'x')
  assert.equal(output({ color: true }).output.paint('red', 'x'), '\u001b[31mx\u001b[39m')
})

test('live is true only where a person looks at a terminal', () => {
  assert.equal(output().output.live, false)
  assert.equal(output({ tty: true }).output.live, true)
  assert.equal(output({ tty: true, json: true }).output.live, false)
})

test('fail() writes the error of the contract for a program', () => {
  const { output: it, err, out } = output({ json: true })
  assert.equal(it.fail(BaseError.DEADLINE({ afterMs: 5 })), 'BASE_DEADLINE')
  assert.deepEqual(JSON.parse(err.text), {
    error: {
      code: 'BASE_DEADLINE',
      message: 'Cannot wait longer: the deadline of 5 ms passed',
      facts: { afterMs: 5 },
      retryable: true,
    },
  })
  assert.equal(out.text, '')
})

test('fail() tells a person the code, the sentence and whether to try again', () => {
  const { output: it, err } = output()
  it.fail(BaseError.DEADLINE({ afterMs: 5 }))
  assert.match(
    err.text,
    /^error BASE_DEADLINE\nCannot wait longer: .*\nTrying again later may help\.\n$/,
  )
})

test('fail() makes what is not ours an internal error, with its stack', () => {
  const { output: it, err } = output()
  assert.equal(it.fail(new TypeError('x is no y')), 'CLI_INTERNAL')
  assert.match(err.text, /x is no y\. This is a bug/)
  assert.match(err.text, /at .*output\.test\.ts/)
})

test('redraw() stays within the width of the terminal, and within 80 where that is unknown', () => {
  for (const [columns, shown] of [
    [10, 9],
    [0, 79],
  ] as const) {
    const texts: string[] = []
    const out = { columns, write: (text: string) => texts.push(text) }
    new Output({ out, err: out }, { json: false, color: false }).redraw('x'.repeat(200))
    assert.deepEqual(texts, [`\r\u001b[2K${'x'.repeat(shown)}`])
  }
})
