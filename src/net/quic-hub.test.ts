import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { hasCode } from '../base/index.ts'
import { netConfig } from './config.ts'
import { type HubMode, hubLimitsOf, QuicHub } from './quic-hub.ts'
import type { QuicListener } from './quic-listener.ts'

const LIMITS = hubLimitsOf(netConfig.parse({}))

/** A hub before listeners, each of which listens again as it is told to. */
function setup(mode: HubMode, relistens: (() => Promise<void>)[]) {
  const hub = new QuicHub({ clock: new FakeClock() }, mode, LIMITS)
  const moves: string[] = []
  const listeners = relistens.map((relisten, i) => {
    const listener = Object.assign(new EventTarget(), {
      async relisten() {
        moves.push(`${i}`)
        await relisten()
      },
      async close() {
        moves.push(`${i} closed`)
        listener.dispatchEvent(new Event('close'))
      },
    })
    hub.follow(listener as unknown as QuicListener)
    listener.dispatchEvent(new Event('listening'))
    return listener
  })
  return { hub, moves, listeners }
}

const unavailable = (error: unknown) => hasCode(error, 'NET_HUB_UNAVAILABLE')

test('activate() says why not: forbidden, or nothing to move', async () => {
  const forbidden = setup('never', [async () => undefined])
  await assert.rejects(forbidden.hub.activate(), unavailable)
  assert.deepEqual(forbidden.moves, [])
  assert.equal(forbidden.hub.facility.state, 'off')
  const silent = setup('auto', [])
  await assert.rejects(silent.hub.activate(), unavailable)
})

test('when one listener cannot move, all go back to where they were', async () => {
  let fails = true
  const failing = async () => {
    if (fails) throw new TypeError('bind EADDRINUSE')
  }
  const { hub, moves } = setup('auto', [
    async () => undefined,
    async () => {
      await failing().finally(() => (fails = false))
    },
  ])
  await assert.rejects(hub.activate(), unavailable)
  assert.deepEqual(moves, ['0', '1', '0', '1'])
  assert.equal(hub.active, false)
  assert.equal(hub.facility.state, 'unavailable')
  assert.match(hub.facility.reason ?? '', /EADDRINUSE/)
})

test('a listener that cannot go back either is closed', async () => {
  const { hub, moves } = setup('auto', [() => Promise.reject(new TypeError('gone'))])
  await assert.rejects(hub.activate(), unavailable)
  assert.deepEqual(moves, ['0', '0', '0 closed'])
})

test('without a hub a dial has a socket of its own, and nothing is punched', async () => {
  const { hub } = setup('auto', [async () => undefined])
  assert.equal(await hub.pathTo({ host: '192.0.2.1', port: 9 }), undefined)
  const { signal } = new AbortController()
  await assert.rejects(hub.punch({ host: '192.0.2.1', port: 9 }, { signal }), unavailable)
})

test('a hub has room for twice the connections of one host, and for all of them', () => {
  assert.equal(LIMITS.gatesPerHostMax, 128)
  assert.equal(LIMITS.gatesMax, 1_256)
  assert.ok(LIMITS.idleMs > netConfig.parse({}).idleTimeoutMs)
})
