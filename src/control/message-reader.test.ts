import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { fakeInbox } from '../../test/support/served-inbox.ts'
import { readMessages } from './message-reader.ts'

const came = (id: string) => {
  return { id, from: { peer: 'p' }, to: 'me', body: new Uint8Array(), sentAt: 1 }
}

/** A listener that takes each message when `take` is called, or at once. */
function setup({ slow = false } = {}) {
  const { inbox, read, put } = fakeInbox()
  const clock = new FakeClock()
  const ended = new AbortController()
  const told: string[] = []
  const failures: unknown[] = []
  const taking: (() => void)[] = []
  const deps = {
    inbox,
    clock,
    tell: async ({ id }: { readonly id: string }) => {
      told.push(id)
      if (slow) await new Promise<void>((resolve) => taking.push(resolve))
    },
    failed: (error: unknown) => void failures.push(error),
  }
  const begin = () => readMessages(deps, ended.signal)
  const settle = async () => {
    for (let i = 0; i < 10; i += 1) await turn()
  }
  return { inbox, read, put, clock, ended, told, failures, taking, deps, begin, settle }
}

test('what nobody read is told first, the oldest first, then what comes', async () => {
  const { inbox, read, put, ended, told, begin, settle } = setup()
  const ids = Array.from({ length: 100 }, (_, n) => `m${n}`)
  put(...ids.map(came))
  await inbox.read('m3')
  const reading = begin()
  await settle()
  const unread = ids.filter((id) => id !== 'm3')
  assert.deepEqual(told, unread)
  put(came('new'), came('newer'))
  await settle()
  assert.deepEqual(told, [...unread, 'new', 'newer'])
  assert.deepEqual(read, ['m3', ...told])
  ended.abort()
  await reading
})

test('what others read meanwhile is told here as well', async () => {
  const { inbox, put, ended, told, begin, settle } = setup()
  const reading = begin()
  await settle()
  put(came('a'))
  await inbox.read('a')
  await settle()
  assert.deepEqual(told, ['a'])
  ended.abort()
  await reading
})

test('a message is read when it was handed on, and the next is not told before', async () => {
  const { read, put, ended, told, taking, begin, settle } = setup({ slow: true })
  put(came('a'), came('b'))
  const reading = begin()
  await settle()
  assert.deepEqual([told, read], [['a'], []])
  taking.shift()?.()
  await settle()
  assert.deepEqual([told, read], [['a', 'b'], ['a']])
  ended.abort()
  await reading
  taking.shift()?.()
  await settle()
  assert.deepEqual(read, ['a'], 'one that was not taken is told at the next start')
})

test('a failure is told and waited out, and nothing is lost or told twice by it', async () => {
  const { inbox, put, clock, ended, told, failures, deps, begin, settle } = setup()
  put(came('a'), came('b'), came('c'))
  const { tell } = deps
  deps.tell = async (message) => {
    if (message.id === 'b' && failures.length === 0) throw new TypeError('disk')
    await tell(message)
  }
  const reading = begin()
  await settle()
  assert.deepEqual([told, failures.length], [['a'], 1])
  await inbox.read('c')
  await clock.advance(2_000)
  await settle()
  assert.deepEqual(told, ['a', 'b'])
  put(came('d'))
  await settle()
  assert.deepEqual(told, ['a', 'b', 'd'])
  ended.abort()
  await reading
  assert.equal(clock.waiting, 0)
})
