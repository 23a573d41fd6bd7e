/** `src/control/node.proto` says what the operations are, and no field has changed its number. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeProto, writtenProto } from '../../scripts/node-proto.ts'

test('node.proto is what scripts/node-proto.ts makes of the operations', () => {
  const written = writtenProto()
  assert.equal(nodeProto(written), written, 'run: node scripts/node-proto.ts')
})

test('a field keeps its number, a new one gets the next, and none is given twice', () => {
  const written = writtenProto()
  const moved = written.replace(
    /(message PingRequest \{\n)([\s\S]*?)(^\})/m,
    '$1  reserved 2, 7;\n  optional string peer = 4;\n$3',
  )
  const message = /message PingRequest \{\n[\s\S]*?^\}/m.exec(nodeProto(moved))?.[0] ?? ''
  assert.match(message, /reserved 2, 7;/)
  assert.match(message, /string peer = 4;/)
  assert.match(message, /int64 timeoutMs = 8;/)
})
