import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { ask } from '../../test/support/control.ts'
import { coded } from '../../test/support/expect.ts'
import { seededRandom } from '../base/index.ts'
import { type ListenerOptions, openListener } from './listener.ts'

const options = (address: string, isDefault: boolean): ListenerOptions => ({
  address,
  isDefault,
  key: '[control] api_address',
  guard: () => undefined,
  random: seededRandom('listener'),
  handle: (_request, response) => void response.end('ok'),
})

/** A port that somebody else holds. */
async function busyPort() {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return { port: address.port, [Symbol.dispose]: () => void server.close() }
}

test('openListener() moves on from a busy default port and says so', async () => {
  using busy = await busyPort()
  const listener = await openListener(options(`127.0.0.1:${busy.port}`, true))
  assert.equal(listener.movedFrom, busy.port)
  assert.notEqual(new URL(listener.url).port, String(busy.port))
  assert.equal((await ask(listener.url)).text, 'ok')
  await listener.close()
  await assert.rejects(ask(listener.url))
})

test('openListener() refuses a busy configured port by name', async () => {
  using busy = await busyPort()
  const address = `127.0.0.1:${busy.port}`
  await assert.rejects(openListener(options(address, false)), (error: Error) => {
    assert.match(error.message, new RegExp(`${address}.*\\[control\\] api_address`))
    return coded('CONTROL_PORT_BUSY')(error)
  })
})

test('openListener() refuses an address that is not of this host', async () => {
  const foreign = openListener(options('192.0.2.1:0', true))
  await assert.rejects(foreign, coded('CONTROL_ADDRESS_UNUSABLE'))
})

test('close() cuts connections that are still open', async () => {
  const silent = { ...options('127.0.0.1:0', true), handle: () => undefined }
  const listener = await openListener(silent)
  const pending = assert.rejects(ask(listener.url))
  await new Promise((resolve) => setImmediate(resolve))
  await listener.close()
  await pending
})
