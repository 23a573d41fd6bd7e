import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../base/index.ts'
import { noteOwn, ownMessage } from './own-frames.ts'
import { encodeMessage, parseFrame } from './protocol.ts'

const text = { type: 'text', text: 'a' }

test('an own answer made of texts is known by its frame, and by no other of its bytes', () => {
  const message = { jsonrpc: '2.0', id: 1, result: { content: [text] } }
  const frame = encodeMessage(message)
  noteOwn(frame, message)
  assert.equal(parseFrame(frame), message)
  const copy = frame.slice()
  assert.equal(ownMessage(copy), undefined)
  assert.deepEqual(parseFrame(copy), message)
})

test('all else is read', () => {
  for (const message of [
    { jsonrpc: '2.0', id: 1, result: { content: [text], structuredContent: {} } },
    { jsonrpc: '2.0', id: 1, result: { content: [text, { type: 'image', data: '' }] } },
    { jsonrpc: '2.0', id: 1, result: { content: 'a' } },
    { jsonrpc: '2.0', id: 1, error: { code: 1, message: '' } },
    { jsonrpc: '2.0', method: 'm', params: {} },
    { id: 1, result: { content: [text] } },
  ]) {
    const frame = utf8(JSON.stringify(message))
    noteOwn(frame, message)
    assert.equal(ownMessage(frame), undefined, JSON.stringify(message))
  }
})
