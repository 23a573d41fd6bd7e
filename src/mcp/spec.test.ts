import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { CodedError } from '../base/index.ts'
import { readServiceSpec } from './spec.ts'

const source = { kind: 'stdio', command: 'npx', args: ['x'], cwd: '/', env: { A: 'b' } }
const spec = { name: 'calc', source }
const http = (url: string) => ({ name: 'calc', source: { kind: 'http', url } })

test('readServiceSpec() gives back what is well-formed', () => {
  assert.deepEqual(readServiceSpec(spec), spec)
  assert.deepEqual(readServiceSpec(http('http://[::1]:3000/mcp')), http('http://[::1]:3000/mcp'))
})

test('readServiceSpec() names the field that is wrong', () => {
  const bad: [object, RegExp][] = [
    [{ ...spec, name: 'Calc' }, /name/],
    [{ ...spec, name: 'a_b' }, /name/],
    [{ ...spec, name: 'a'.repeat(64) }, /name/],
    [{ ...spec, more: 1 }, /key/],
    [{ name: 'calc' }, /source/],
    [{ ...spec, source: { ...source, kind: 'ssh' } }, /kind/],
    [{ ...spec, source: { ...source, command: '' } }, /command/],
    [{ ...spec, source: { ...source, command: 'a\0b' } }, /command/],
    [{ ...spec, source: { ...source, args: [1] } }, /argument/],
    [{ ...spec, source: { ...source, args: new Array(257).fill('a') } }, /arguments/],
    [{ ...spec, source: { ...source, cwd: 'here' } }, /folder/],
    [{ ...spec, source: { ...source, env: { 'A=B': 'c' } } }, /environment/],
    [{ ...spec, source: { ...source, env: { A: 1 } } }, /environment/],
    [{ ...spec, source: { ...source, shell: true } }, /key/],
    [http('file:///etc/passwd'), /URL/],
    [http('not a url'), /URL/],
    [http('http://me:secret@host/'), /URL/],
  ]
  for (const [value, says] of bad) {
    assert.throws(() => readServiceSpec(value), coded('MCP_SERVICE_INVALID'), JSON.stringify(value))
    assert.throws(() => readServiceSpec(value), says)
  }
})

test('readServiceSpec() does not show a password', () => {
  assert.throws(
    () => readServiceSpec(http('http://me:secret@host/')),
    (error: Error) => {
      return !error.message.includes('secret')
    },
  )
})

test('readServiceSpec() fails with a code, whatever it is given', () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      try {
        readServiceSpec(value)
      } catch (error) {
        assert.ok(error instanceof CodedError)
      }
    }),
  )
})
