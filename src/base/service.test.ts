import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Service, startAll, stopAll } from './service.ts'

function setup(failing: { start?: string; stop?: string } = {}) {
  const did: string[] = []
  const services: Service[] = ['a', 'b', 'c'].map((name) => ({
    name,
    async start() {
      did.push(`+${name}`)
      if (failing.start === name) throw new TypeError(`start ${name}`)
    },
    async stop() {
      did.push(`-${name}`)
      if (failing.stop === name) throw new TypeError(`stop ${name}`)
    },
  }))
  return { did, services }
}

test('services start in order and stop in reverse', async () => {
  const { did, services } = setup()
  await startAll(services)
  await stopAll(services)
  assert.deepEqual(did, ['+a', '+b', '+c', '-c', '-b', '-a'])
})

test('a failed start stops what was up, the failed one too, and is passed on', async () => {
  const { did, services } = setup({ start: 'b' })
  await assert.rejects(startAll(services), /start b/)
  assert.deepEqual(did, ['+a', '+b', '-b', '-a'])
})

test('a stop that fails does not hide why the start failed', async () => {
  const { did, services } = setup({ start: 'b', stop: 'b' })
  await assert.rejects(startAll(services), /start b/)
  assert.deepEqual(did, ['+a', '+b', '-b', '-a'])
})

test('a stop that fails does not keep the others up', async () => {
  const { did, services } = setup({ stop: 'c' })
  await assert.rejects(stopAll(services), /stop c/)
  assert.deepEqual(did, ['-c', '-b', '-a'])
})
