import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { MultiaddrConnection } from '@libp2p/interface'
import { utf8 } from '../base/index.ts'
import { corkWrites } from './tcp-cork.ts'

type Sending = { sendData(data: readonly Uint8Array[]): { canSendMore: boolean } }

function setup(room = true) {
  const calls: string[] = []
  const socket = {
    cork: () => calls.push('cork'),
    uncork: () => calls.push('uncork'),
    write(bytes: Uint8Array) {
      calls.push(Buffer.from(bytes).toString())
      return room
    },
  }
  const connection = { socket }
  corkWrites(connection as unknown as MultiaddrConnection)
  const send = (...pieces: string[]) =>
    (connection as unknown as Sending).sendData(
      Object.assign(pieces.map(utf8), { byteLength: pieces.join('').length }),
    )
  return { calls, send }
}

test('what is sent in one turn of the loop leaves at once, in order', async () => {
  const { calls, send } = setup()
  send('a', 'b')
  await Promise.resolve()
  send('c')
  await setImmediate()
  send('d')
  await setImmediate()
  assert.deepEqual(calls, ['cork', 'a', 'b', 'c', 'uncork', 'cork', 'd', 'uncork'])
})

test('bulk data is not held back', async () => {
  const { calls, send } = setup()
  const large = 'x'.repeat(64 * 1_024)
  send('a')
  send(large)
  assert.deepEqual(calls, ['cork', 'a', large, 'uncork'])
  send('b')
  await setImmediate()
  assert.deepEqual(calls.slice(4), ['cork', 'b', 'uncork'])
})

test('a full socket is said to be full, after it has taken all that was sent', () => {
  const { calls, send } = setup(false)
  assert.equal(send('a', 'b').canSendMore, false)
  assert.deepEqual(calls, ['cork', 'a', 'b'])
})

test('a connection without a socket stays as it is', () => {
  const connection = {} as MultiaddrConnection
  corkWrites(connection)
  assert.deepEqual(connection, {})
})
