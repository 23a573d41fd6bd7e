import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from './errors.ts'
import { loadSyscalls, syscallsMissing } from './syscall.ts'

/** A libc that notes what it is asked, and fails at one call. */
function fakeLibc(failing?: string) {
  const calls: [string, ...(number | Uint8Array)[]][] = []
  const call =
    (name: string) =>
    (...args: (number | Uint8Array)[]) => {
      calls.push([name, ...args])
      if (name === failing) return -1
      return name === 'socket' ? 42 : 0
    }
  const libc = {
    socket: call('socket'),
    setsockopt: call('setsockopt'),
    bind: call('bind'),
    close: call('close'),
    errno: () => 98,
  }
  return { libc, calls }
}

test('boundTcp() shares its port and binds to the address, in the layout of Linux', async () => {
  const { libc, calls } = fakeLibc()
  const syscalls = await loadSyscalls(async () => libc, 'linux')
  assert.equal(syscalls.boundTcp(Uint8Array.of(192, 0, 2, 1), 0x1234), 42)
  const names = calls.map(([name, ...args]) => [name, ...args.slice(0, 3)])
  assert.deepEqual(names.slice(0, 3), [
    ['socket', 2, 0o2_004_001, 0],
    ['setsockopt', 42, 1, 2],
    ['setsockopt', 42, 1, 15],
  ])
  const address = calls.at(-1)?.[2] as Uint8Array
  assert.deepEqual([...address.subarray(2, 8)], [0x12, 0x34, 192, 0, 2, 1])
  assert.equal(address.length, 16)
})

test('boundTcp() of IPv6 leaves IPv4 alone', async () => {
  const { libc, calls } = fakeLibc()
  const syscalls = await loadSyscalls(async () => libc, 'linux')
  const loopback = new Uint8Array(16).with(15, 1)
  syscalls.boundTcp(loopback, 9)
  assert.ok(
    calls.some(([name, , level, option]) => name === 'setsockopt' && level === 41 && option === 26),
  )
  const address = calls.at(-1)?.[2] as Uint8Array
  assert.deepEqual([...address.subarray(8, 24)], [...loopback])
  assert.equal(address.length, 28)
})

test('a call that fails names itself and the error, and leaves no descriptor open', async () => {
  const { libc, calls } = fakeLibc('bind')
  const syscalls = await loadSyscalls(async () => libc, 'linux')
  assert.throws(
    () => syscalls.boundTcp(Uint8Array.of(127, 0, 0, 1), 9),
    (error: unknown) =>
      hasCode(error, 'BASE_SYSCALL_FAILED') && /bind.*EADDRINUSE/.test(`${error}`),
  )
  assert.deepEqual(calls.at(-1), ['close', 42])
})

test('without koffi there are no calls, and the error says why', async () => {
  const loading = loadSyscalls(
    () => Promise.reject(new TypeError('Cannot find the binary')),
    'linux',
  )
  await assert.rejects(loading, (error: unknown) => {
    return hasCode(error, 'BASE_SYSCALLS_UNAVAILABLE') && /Cannot find the binary/.test(`${error}`)
  })
})

test('other systems than Linux say what they are', async () => {
  await assert.rejects(loadSyscalls(undefined, 'win32'), (error: unknown) => {
    return hasCode(error, 'BASE_SYSCALLS_UNAVAILABLE') && /win32/.test(`${error}`)
  })
  assert.match(syscallsMissing('win32') ?? '', /win32/)
  assert.equal(syscallsMissing('linux'), undefined)
})
