import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { overLive, pingOver } from './over-live.ts'

function connection(port: number, status = 'open'): Connection {
  const remoteAddr = multiaddr(`/ip4/192.0.2.1/tcp/${port}`)
  return { remoteAddr, status } as unknown as Connection
}

function setup(...open: Connection[]) {
  const clock = new FakeClock(1_000)
  return { clock, deps: { clock, connections: () => open, timeoutMs: 10_000 } }
}

test('overLive() works over the connection given, and over no other when that is alive', async () => {
  const [a, b] = [connection(1), connection(2)]
  const { deps } = setup(a, b)
  assert.equal(await overLive(a, deps, async (one) => one), a)
  const failing = overLive(a, deps, async () => Promise.reject(new Error('refused')))
  await assert.rejects(failing, /refused/)
})

test('a connection that was closed under the work makes room for the next', async () => {
  const [closed, b] = [connection(1, 'closed'), connection(2)]
  const { deps } = setup(b)
  const work = async (one: Connection) => (one === b ? 'done' : Promise.reject(new Error('gone')))
  assert.equal(await overLive(closed, deps, work), 'done')
})

test('a silent connection is waited for shortly while there is another, else to the end', async () => {
  const [silent, b] = [connection(1), connection(2)]
  const both = setup(silent, b)
  const never = new Promise<string>(() => undefined)
  const work = (one: Connection) => (one === silent ? never : Promise.resolve('over the other'))
  const done = overLive(silent, both.deps, work)
  await both.clock.advance(3_000)
  assert.equal(await done, 'over the other')

  const alone = setup(silent)
  const failed = overLive(silent, alone.deps, work).catch((error: unknown) => String(error))
  await alone.clock.advance(9_999)
  assert.equal(alone.clock.waiting > 0, true)
  await alone.clock.advance(1)
  assert.match(await failed, /10000 ms/)
})

test('no more than three connections are tried', async () => {
  const all = [1, 2, 3, 4].map((port) => connection(port, 'closed'))
  const { deps } = setup(...all)
  let count = 0
  const work = async () => {
    count += 1
    throw new Error('gone')
  }
  await assert.rejects(overLive(all[0] as Connection, deps, work), /gone/)
  assert.equal(count, 3)
})

test('a ping whose stream cannot be written to fails, and nothing fails after it', async () => {
  const listeners: (() => void)[] = []
  const stream = {
    addEventListener: (_: string, listener: () => void) => listeners.push(listener),
    send() {
      throw new TypeError('cannot write')
    },
    abort: () => listeners.at(-1)?.(),
  }
  const over = { newStream: async () => stream } as unknown as Connection
  const { clock } = setup()
  await assert.rejects(pingOver(over, clock, new AbortController().signal), /cannot write/)
  await clock.advance(0)
})

/** A connection whose pings are answered, or ended without an answer, one after the other. */
function pinged(...answers: readonly ('echo' | 'ended')[]) {
  const left = [...answers]
  const state = { status: 'open', pings: 0 }
  const newStream = async () => {
    state.pings += 1
    const how = left.shift()
    const listeners = new Map<string, (event: object) => void>()
    return {
      addEventListener: (name: string, hear: (event: object) => void) => listeners.set(name, hear),
      send(data: Uint8Array) {
        const name = how === 'echo' ? 'message' : 'close'
        queueMicrotask(() => listeners.get(name)?.({ data }))
      },
      abort: () => undefined,
    }
  }
  const over = {
    newStream,
    get status() {
      return state.status
    },
  }
  return { over: over as unknown as Connection, state }
}

test('a ping that the other side ends unanswered is asked again while the connection lives', async () => {
  const { signal } = new AbortController()
  const { clock } = setup()
  const busy = pinged('ended', 'ended', 'echo')
  const answered = pingOver(busy.over, clock, signal)
  await clock.advance(200)
  assert.equal(await answered, 0)

  const deaf = pinged('ended', 'ended', 'ended', 'echo')
  const unanswered = pingOver(deaf.over, clock, signal)
  const refused = assert.rejects(unanswered, coded('NET_CONNECTION_DROPPED'))
  await clock.advance(200)
  await refused
  assert.equal(deaf.state.pings, 3)

  const gone = pinged('ended', 'echo')
  const dropped = pingOver(gone.over, clock, signal)
  const lost = assert.rejects(dropped, coded('NET_CONNECTION_DROPPED'))
  gone.state.status = 'closed'
  await clock.advance(100)
  await lost
  assert.equal(gone.state.pings, 1)
})
