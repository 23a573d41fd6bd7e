import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parse, stringify } from 'smol-toml'
import { edited } from './toml-edit.ts'

type Path = [string, ...string[]]

/** The text after the edit; fails where it could not be made. */
function set(text: string, path: Path, written: string | undefined): string {
  const next = edited(text, path, written)
  assert.ok(typeof next === 'string', typeof next === 'string' ? '' : next.reason)
  return next
}

test('edited() changes a value and not a byte beside it', () => {
  const text =
    '# mine\n[mcp]\n  request_timeout   =  30\t# seconds, "enough"\n\n[dht]\nk = 20 # k\n'
  assert.equal(set(text, ['mcp', 'request_timeout'], '45'), text.replace('30', '45'))
  assert.equal(set(text, ['dht', 'k'], '5'), text.replace('20', '5'))
})

test('edited() finds where a value ends, whatever it is made of', () => {
  const values = [
    `[\n  "a#b", # first ]\n  'c]'\n]`,
    '"with \\" and # in it"',
    "'literal \\'",
    '"""\nmore\n[x]\ny = 1 \\"""\n"""',
    "'''\n# it's\n'''",
    '"""ends in quotes"""""',
    '{ a = 1, b = "}" }',
    '1979-05-27 07:32:00',
  ]
  for (const value of values) {
    const text = `[a]\nx = ${value} # after\nz = 1\n`
    assert.equal(set(text, ['a', 'x'], '7'), '[a]\nx = 7 # after\nz = 1\n', value)
    assert.equal(set(text, ['a', 'x'], undefined), '[a]\nz = 1\n', value)
    assert.equal(set(text, ['a', 'z'], '2'), text.replace('z = 1', 'z = 2'), value)
  }
})

test('edited() puts a new key at the end of its section, and a new section at the end', () => {
  const text = '[a]\nx = 1\n\n# about b\n[b]\ny = 2'
  assert.equal(set(text, ['a', 'z'], '3'), '[a]\nx = 1\nz = 3\n\n# about b\n[b]\ny = 2')
  assert.equal(set(text, ['b', 'z'], '3'), `${text}\nz = 3\n`)
  assert.equal(set(text, ['c', 'z'], '3'), `${text}\n\n[c]\nz = 3\n`)
  assert.equal(set('', ['c', 'z'], '3'), '[c]\nz = 3\n')
  assert.equal(set('[a]\r\nx = 1\r\n', ['a', 'z'], '3'), '[a]\r\nx = 1\r\nz = 3\r\n')
})

test('edited() goes on in the form that a person chose: dotted keys, quoted names', () => {
  assert.equal(set('a.x = 1\n[b]\ny = 1\n', ['a', 'z'], '2'), 'a.x = 1\na.z = 2\n[b]\ny = 1\n')
  assert.equal(set('a.x = 1\n', ['a', 'x'], '2'), 'a.x = 2\n')
  assert.equal(set('["a"]\n"x" = 1\n', ['a', 'x'], '2'), '["a"]\n"x" = 2\n')
  assert.equal(set('[a]\nm.one = 1\n', ['a', 'm', 'two'], '2'), '[a]\nm.one = 1\nm.two = 2\n')
  assert.equal(set('', ['log', 'modules', 'libp2p:tcp'], '1'), '[log.modules]\n"libp2p:tcp" = 1\n')
})

test('edited() leaves inline tables to a person, and says so', () => {
  const found = edited('a = { x = 1 }\n', ['a', 'x'], '2')
  assert.ok(typeof found !== 'string' && /inline table.*\[a\]/.test(found.reason))
})

test('edited() of what is not there changes nothing when it is to go', () => {
  assert.equal(set('[a]\nx = 1\n', ['a', 'y'], undefined), '[a]\nx = 1\n')
})

test('whatever is set can be read back, and all else is as it was', () => {
  const name = fc.stringMatching(/^[a-z]{1,4}$/)
  const value = fc.oneof(
    fc.integer(),
    fc.boolean(),
    fc.string(),
    fc.array(fc.string(), { maxLength: 4 }),
  )
  const file = fc.dictionary(name, fc.dictionary(name, value, { minKeys: 1 }))
  fc.assert(
    fc.property(file, name, name, value, (tables, section, key, wanted) => {
      const text = stringify(tables)
      const line = stringify({ x: wanted }).trim().replace('x = ', '')
      const next = set(text, [section, key], line)
      const expected = { ...tables, [section]: { ...tables[section], [key]: wanted } }
      assert.deepEqual(structuredClone(parse(next)), structuredClone(parse(stringify(expected))))
      const gone = set(next, [section, key], undefined)
      assert.equal((parse(gone)[section] as Record<string, unknown> | undefined)?.[key], undefined)
    }),
  )
})
