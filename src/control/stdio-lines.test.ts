import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, utf8 } from '../base/index.ts'
import { type Line, LineSplitter } from './stdio-lines.ts'

/** Lines of these pieces, as text; one that is too long is `null`. */
function linesOf(pieces: readonly Uint8Array[], bytesMax = 64): (string | null)[] {
  const lines = new LineSplitter(bytesMax)
  const found: Line[] = pieces.flatMap((piece) => [...lines.push(piece)])
  found.push(...lines.end())
  return found.map((line) => (line.kind === 'line' ? Buffer.from(line.bytes).toString() : null))
}

test('push() gives the same lines however the stream is cut', () => {
  const text = utf8(`one\r\n\n"zwölf"\n${'x'.repeat(64)}\n${'y'.repeat(65)}\nlast`)
  const wanted = ['one', '"zwölf"', 'x'.repeat(64), null, 'last']
  assert.deepEqual(linesOf([text]), wanted)
  for (let at = 0; at <= text.length; at += 1) {
    assert.deepEqual(linesOf([text.subarray(0, at), text.subarray(at)]), wanted, `cut at ${at}`)
  }
  const bytewise = [...text].map((byte) => Uint8Array.of(byte))
  assert.deepEqual(linesOf(bytewise), wanted)
})

test('push() tells a line that is too long once, before its end, and holds none of it', () => {
  const lines = new LineSplitter(8)
  assert.deepEqual([...lines.push(utf8('123456789'))], [{ kind: 'too-long', limit: 8 }])
  assert.equal(lines.pendingBytes, 0)
  for (let i = 0; i < 10; i += 1) assert.deepEqual([...lines.push(new Uint8Array(1_000))], [])
  assert.equal(lines.pendingBytes, 0)
  assert.deepEqual([...lines.push(utf8('\nok\n'))].length, 1)
})

test('push() loses and invents nothing', () => {
  const line = fc
    .string({ unit: 'grapheme', maxLength: 12 })
    .map((text) => text.replace(/[\r\n]/g, ''))
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.integer({ min: 0, max: 200 })), (texts, cuts) => {
      const whole = concatBytes(...texts.map((text) => utf8(`${text}\n`)))
      const at = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b)
      const edges = [0, ...at, whole.length]
      const pieces = edges.slice(1).map((edge, i) => whole.subarray(edges[i], edge))
      assert.deepEqual(
        linesOf(pieces, 4_096),
        texts.filter((text) => text !== ''),
      )
    }),
  )
})
