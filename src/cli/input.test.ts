import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { utf8 } from '../base/index.ts'
import { CliError } from './errors.ts'
import { wordOrInput } from './input.ts'

const what = { command: 'send', bytesMax: 8 }

function reading(...pieces: readonly Uint8Array[]) {
  return { stdin: () => Readable.from(pieces), signal: new AbortController().signal }
}

test('wordOrInput() takes a word as it is, and does not look at the input', async () => {
  const context = {
    stdin: () => assert.fail('it looked'),
    signal: new AbortController().signal,
  }
  for (const word of ['hello', '--', '"-"', '']) {
    assert.equal(await wordOrInput(word, context, what), word)
  }
})

test('wordOrInput() reads what is piped in for -, without its last line break', async () => {
  const [half, other] = [utf8('ö').slice(0, 1), utf8('ö').slice(1)]
  for (const [pieces, text] of [
    [['a', 'b\n'].map(utf8), 'ab'],
    [['a\r\n'].map(utf8), 'a'],
    [['a\n\n'].map(utf8), 'a\n'],
    [['12345678'].map(utf8), '12345678'],
    [[half, other], 'ö'],
  ] as const) {
    assert.equal(await wordOrInput('-', reading(...pieces), what), text)
  }
})

test('wordOrInput() says what is wrong with what is piped in', async () => {
  for (const [pieces, says] of [
    [['12345678', '9'].map(utf8), /at most 8 bytes on standard input/],
    [[], /something on standard input/],
    [[Uint8Array.of(0xff)], /text in UTF-8/],
  ] as const) {
    const failed = wordOrInput('-', reading(...pieces), what)
    await assert.rejects(failed, (error: Error) => {
      coded('CLI_USAGE')(error)
      return says.test(error.message)
    })
  }
})

test('wordOrInput() stops waiting with its command', async () => {
  const ended = new AbortController()
  async function* endless(): AsyncGenerator<Uint8Array> {
    await new Promise(() => {})
    yield utf8('x')
  }
  const word = wordOrInput('-', { stdin: endless, signal: ended.signal }, what)
  ended.abort(CliError.INTERRUPTED({ signal: 'SIGINT' }))
  await assert.rejects(word, coded('CLI_INTERRUPTED'))
})
