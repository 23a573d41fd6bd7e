import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { silentLog } from '../base/index.ts'
import { NetError } from './errors.ts'
import { OlderConnections } from './older-connections.ts'

const RELAY = '12D3KooWPB84iXzQ5tq2rYy9qmxfGy5Y1Nst2bWTuvaumoAjz5RL'

/** A number answers after so many milliseconds. */
type Answer = 'answers' | 'refuses' | 'silent' | number

function setup() {
  const clock = new FakeClock(1_000)
  const open: Connection[] = []
  const cut: string[] = []
  const asked: string[] = []
  let opened: (event: { readonly detail: Connection }) => void = () => undefined
  const libp2p = {
    addEventListener: (name: string, listener: typeof opened) => {
      assert.equal(name, 'connection:open')
      opened = listener
    },
    getConnections: (peer: object) => open.filter(({ remotePeer }) => remotePeer === peer),
  }
  const peers = { p: { toString: () => 'p' }, q: { toString: () => 'q' } }
  const answers = new Map<Connection, Answer>()
  new OlderConnections({
    libp2p: libp2p as never,
    clock,
    log: silentLog,
    ping: async (connection) => {
      asked.push(connection.id)
      const answer = answers.get(connection)
      if (typeof answer === 'number') await clock.sleep(answer)
      if (answer === 'refuses') throw NetError.CONNECTION_DROPPED({ reason: 'no such protocol' })
      return answer === 'answers' || typeof answer === 'number'
        ? 1
        : new Promise<number>(() => undefined)
    },
  })
  const opens = (id: string, answer: Answer, peer: keyof typeof peers = 'p') => {
    const circuit = id.startsWith('relayed') ? `/p2p/${RELAY}/p2p-circuit` : ''
    const connection = {
      id,
      remoteAddr: { toString: () => `/ip4/192.0.2.1/tcp/9000${circuit}` },
      remotePeer: peers[peer],
      status: 'open',
      abort: () => {
        cut.push(id)
        open.splice(open.indexOf(connection), 1)
      },
    } as unknown as Connection
    answers.set(connection, answer)
    open.push(connection)
    opened({ detail: connection })
    return connection
  }
  return { clock, opens, cut, asked }
}

test('an older connection is closed when a newer one answers and it does not 3 s later', async () => {
  const { clock, opens, cut, asked } = setup()
  opens('old', 'silent')
  opens('of another', 'silent', 'q')
  assert.deepEqual(asked, [])
  opens('new', 'answers')
  assert.deepEqual(asked, ['old', 'new'])
  await clock.advance(2_999)
  assert.deepEqual(cut, [])
  await clock.advance(1)
  assert.deepEqual([cut, clock.waiting], [['old'], 0])
})

test('one that answers late, or whose peer does not speak ping, stays', async () => {
  const { clock, opens, cut } = setup()
  opens('alive', 2_900)
  opens('without ping', 'refuses')
  opens('new', 'answers')
  await clock.advance(60_000)
  assert.deepEqual([cut, clock.waiting], [[], 0])
})

test('where the newer one is as late, as of a peer that is busy, nothing is closed before it answered', async () => {
  const { clock, opens, cut } = setup()
  opens('old', 9_000)
  opens('new', 8_000)
  await clock.advance(60_000)
  assert.deepEqual(cut, [])
  opens('newer', 'silent')
  await clock.advance(60_000)
  assert.deepEqual([cut, clock.waiting], [[], 0])
})

test('however many connections a peer opens, each older one is asked one question at a time', async () => {
  const { clock, opens, cut, asked } = setup()
  for (const id of ['1', '2', '3']) opens(id, 'silent')
  opens('4', 'answers')
  assert.deepEqual(asked, ['1', '2', '2', '3', '3', '4'])
  await clock.advance(20_000)
  opens('5', 'answers')
  await clock.advance(20_000)
  assert.deepEqual(cut, ['3', '1', '2'])
})

test('one that was closed meanwhile is not closed again', async () => {
  const { clock, opens, cut } = setup()
  const old = opens('old', 'silent')
  opens('new', 'answers')
  Object.assign(old, { status: 'closed' })
  await clock.advance(4_000)
  assert.deepEqual(cut, [])
})

test('one through a relay says nothing of direct ones, and a direct one of all', async () => {
  const { clock, opens, cut, asked } = setup()
  opens('direct', 'silent')
  opens('relayed', 'silent')
  opens('relayed, newer', 'answers')
  await clock.advance(20_000)
  assert.deepEqual([asked, cut], [['relayed', 'relayed, newer'], ['relayed']])
  opens('direct, newer', 'answers')
  await clock.advance(20_000)
  assert.deepEqual(cut, ['relayed', 'direct'])
})
