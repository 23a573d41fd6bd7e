import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startControl, TOKEN } from '../../test/support/control.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { fakeNode } from '../../test/support/served-node.ts'
import { defineErrors, silentLog } from '../base/index.ts'
import { ControlClient } from './client.ts'
import { holdLease, lineReader } from './lease.ts'

const SPEC = {
  name: 'calc',
  source: { kind: 'stdio', command: 'calc', args: ['-i'], cwd: '/', env: { A: 'b' } },
} as const

async function setup(over: Parameters<typeof startControl>[0] = {}) {
  const clock = new FakeClock()
  const control = await startControl({ clock, ...over })
  const client = new ControlClient({ url: control.api, token: TOKEN, name: 'test', start: 'p2p' })
  return {
    clock,
    control,
    client,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]()
      await control.server.stop()
    },
  }
}

/** Lets real sockets do their work until `done`, or fails. */
async function eventually(done: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !done(); i += 1) {
    await new Promise((resolve) => setImmediate(resolve))
    if (i % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.ok(done())
}

test('an attached service tells each change of its state, and ends when withdrawn', async () => {
  await using t = await setup()
  const events = t.client.exposeAttached(SPEC)
  const first = await events.next()
  assert.ok(first.done !== true)
  assert.equal(first.value.event, 'status')
  const [asked] = t.control.asked
  assert.ok(asked)
  assert.deepEqual(asked.args[0], SPEC)
  assert.equal((asked.args[1] as { detached: boolean }).detached, false)

  const service = t.control.services.get('calc')
  assert.ok(service)
  t.control.services.set('calc', { ...service, state: 'restarting', restarts: 1 })
  const second = events.next()
  await t.clock.advance(500)
  const told = await second
  assert.ok(told.done !== true && told.value.event === 'status')
  assert.equal(told.value.service.state, 'restarting')

  t.control.services.delete('calc')
  const third = events.next()
  await t.clock.advance(500)
  assert.deepEqual((await third).value, { event: 'withdrawn', name: 'calc' })
  assert.equal((await events.next()).done, true)
})

test('an attached service is withdrawn when its reader leaves', async () => {
  await using t = await setup()
  for await (const _ of t.client.exposeAttached(SPEC)) break
  await eventually(() => t.control.services.size === 0)
  assert.ok(t.control.asked.some(({ name }) => name === 'services.unexpose'))
})

test('an attached service is withdrawn when the signal of its reader aborts', async () => {
  await using t = await setup()
  const stop = new AbortController()
  const events = t.client.exposeAttached(SPEC, { signal: stop.signal })
  await events.next()
  stop.abort()
  await assert.rejects(events.next())
  await eventually(() => t.control.services.size === 0)
})

test('an attached service is withdrawn when the server stops', async () => {
  const t = await setup()
  const events = t.client.exposeAttached(SPEC)
  await events.next()
  const rest = assert.rejects(events.next())
  await t.control.server.stop()
  await rest
  await eventually(() => t.control.services.size === 0)
  await t[Symbol.asyncDispose]()
})

const TestError = defineErrors('TEST', { START_FAILED: { says: () => 'Cannot start: exit 1' } })

test('a service that cannot start is an error, not an empty stream', async () => {
  const other = await startControl()
  await other.server.stop()
  const services = {
    ...other.node.services,
    expose: () => Promise.reject(TestError.START_FAILED({})),
  }
  await using t = await setup({ over: { services } })
  await assert.rejects(t.client.exposeAttached(SPEC).next(), coded('TEST_START_FAILED'))
})

test('a reader that does not read gets the newest state when it does, and no heap of old ones', async () => {
  const clock = new FakeClock()
  const fake = fakeNode()
  const gone = new AbortController()
  const written: string[] = []
  const response = {
    writableNeedDrain: true,
    write: (line: string) => written.push(line),
    writeHead: () => undefined,
    end: () => undefined,
    destroy: () => undefined,
  }
  const deps = { services: fake.node.services, clock, log: silentLog }
  const lease = { spec: SPEC, reader: lineReader(response as never), gone: gone.signal }
  const held = holdLease(deps, lease)
  await clock.advance(0)
  const service = fake.services.get('calc')
  assert.ok(service)
  for (const restarts of [1, 2, 3]) {
    fake.services.set('calc', { ...service, restarts })
    await clock.advance(500)
  }
  assert.deepEqual(written, [])
  response.writableNeedDrain = false
  await clock.advance(500)
  assert.match(written.join(''), /^[^\n]*"restarts":3[^\n]*\n$/)
  gone.abort()
  await held
  assert.equal(fake.services.size, 0)
})
