import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { COMMANDS, GROUPS } from './commands/index.ts'
import { type Asked, readCommandLine } from './program.ts'

const table = { commands: COMMANDS, groups: GROUPS, version: '1.2.3' }
const read = (...argv: string[]) => readCommandLine(argv, table)

function ran(asked: Asked) {
  assert.equal(asked.kind, 'run')
  const { command, args, options } = asked
  return { name: command.name, args, options }
}

test('global options stand before or after the command', () => {
  const wanted = { color: true, json: true, data: '/d', timeout: '5s' }
  const before = ran(read('--json', '--data', '/d', '--timeout', '5s', 'status'))
  assert.deepEqual(before, { name: 'status', args: [], options: wanted })
  assert.deepEqual(ran(read('status', '--timeout', '5s', '--data', '/d', '--json')), before)
  assert.equal(ran(read('status', '--no-color')).options.color, false)
})

test('what follows "--" belongs to the command that is exposed', () => {
  const wanted = ['npx', '-y', 'server', '--json', '--', '--help']
  for (const options of [
    ['--name', 'x'],
    ['--name=x', '--json'],
  ]) {
    const { name, args } = ran(read('expose', ...options, '--', ...wanted))
    assert.deepEqual([name, args], ['expose', wanted])
  }
  assert.equal(ran(read('expose', '--name', 'x', '--', 'a', '--json')).options.json, undefined)
})

test('repeatable options make a list', () => {
  const { options } = ran(read('start', '--listen', '/a', '--listen', '/b'))
  assert.deepEqual(options.listen, ['/a', '/b'])
  assert.equal(ran(read('start')).options.listen, undefined)
})

test('two words name a command of a group, one alone its default', () => {
  assert.equal(ran(read('dht', 'put', 'k', 'v')).name, 'dht put')
  assert.equal(ran(read('keys')).name, 'keys show')
  assert.equal(ran(read('config', '--json')).name, 'config show')
  assert.equal(ran(read('config', 'path')).name, 'config path')
})

const mistakes: readonly (readonly [argv: readonly string[], says: RegExp])[] = [
  [['statsu'], /unknown command 'statsu' \(Did you mean status\?\).*See: p2p --help/],
  [['status', '--jsno'], /unknown option '--jsno' \(Did you mean --json\?\).*p2p status --help/],
  [['start', '--presett', 'x'], /Did you mean --preset\?/],
  [['start', '--preset', 'odd'], /Allowed choices are public, private, agent, bootstrap, test/],
  [['start', '--listen'], /argument missing/],
  [['call'], /missing required argument 'tool'.*See: p2p call --help/],
  [['status', 'now'], /too many arguments/],
  [['dht', 'pput', 'a'], /unknown command 'pput' \(Did you mean put\?\)/],
  [['expose', '--name', 'x', 'npx', '-y'], /unknown option '-y'/],
]

for (const [argv, says] of mistakes) {
  test(`p2p ${argv.join(' ')} is refused with what to do`, () => {
    assert.throws(
      () => read(...argv),
      (error) => coded('CLI_COMMAND_LINE')(error) && says.test(String(error)),
    )
  })
}

test('no words at all show the help as a mistake, --help as an answer', () => {
  const none = read()
  assert.deepEqual([none.kind, none.kind === 'show' && none.code], ['show', 2])
  const help = read('--help')
  assert.ok(help.kind === 'show' && help.code === 0)
  for (const { name, hidden } of COMMANDS) {
    const [word = ''] = name.split(' ')
    assert.equal(new RegExp(`^  ${word}\\b`, 'm').test(help.text), hidden !== true, name)
  }
})

test('--version shows the version', () => {
  assert.deepEqual(read('--version'), { kind: 'show', text: '1.2.3\n', code: 0 })
})

test('the help of a group shows examples of its commands', () => {
  for (const group of Object.keys(GROUPS)) {
    const help = read(group, '--help')
    assert.ok(help.kind === 'show' && help.code === 0)
    assert.match(help.text, new RegExp(`\nExample:\n {2}\\$ p2p ${group} `), group)
  }
})

for (const { name, examples, hidden } of COMMANDS) {
  test(`p2p ${name} --help shows an example and the global options`, () => {
    const help = read(...name.split(' '), '--help')
    assert.ok(help.kind === 'show' && help.code === 0)
    assert.match(help.text, /\nExamples?:\n {2}\$ p2p /)
    assert.match(help.text, /--json/)
  })

  test(`the examples of p2p ${name} are read as they stand`, () => {
    for (const example of examples) {
      const [line = ''] = example.split(/ [|>] /)
      const words = [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)]
      const argv = words.map(([, single, double, bare]) => single ?? double ?? bare ?? '')
      assert.equal(ran(read(...argv)).name, name, example)
    }
    assert.ok(examples.length > 0 || hidden === true)
  })
}
