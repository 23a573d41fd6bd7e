import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import { DhtError } from './errors.ts'
import { Meeting, type MeetingDeps } from './meeting.ts'

const self = signerOf(0).peer
const first = signerOf(1).peer
const PROTOCOL = '/test/kad/1.0.0'
const AT = '/ip4/192.0.2.1/udp/9000'

/** A node that notes what is done; `fails` says that nobody answers. */
function setup({ fails = false, isNew = true } = {}) {
  const done: string[] = []
  const deps: MeetingDeps = {
    self,
    protocol: PROTOCOL,
    questions: {
      async findFace(peer) {
        done.push(`face of ${peer}`)
        return undefined
      },
      async learn(peer, addresses, source) {
        done.push(`${source} says ${peer} is at ${addresses.join()}`)
      },
      async ask(peer, messages) {
        if (fails) throw DhtError.PEER_FAILED({ peer, reason: 'silence' })
        assert.deepEqual(messages, [{ type: 'findNode', key: peerIdToBytes(self) }])
        done.push(`asked ${peer}`)
        return { type: 'findNode' }
      },
    },
    members: {
      identified(peer: PeerId, serves: boolean) {
        done.push(`${peer} ${serves ? 'serves' : 'asks only'}`)
        return isNew
      },
    },
    upkeep: { met: (peer) => void done.push(`met ${peer}`) },
  }
  return { meeting: new Meeting(deps), done }
}

test('who is joined over is asked, and known once it has answered', async () => {
  const { meeting, done } = setup()
  await meeting.join(`${AT}/p2p/${first}`, {})
  assert.deepEqual(done, [
    `${self} says ${first} is at ${AT}`,
    `asked ${first}`,
    `${first} serves`,
    `met ${first}`,
  ])
})

test('who does not answer is not known, and the caller is told', async () => {
  const { meeting, done } = setup({ fails: true })
  await assert.rejects(meeting.join(`${AT}/p2p/${first}`, {}), coded('DHT_PEER_FAILED'))
  assert.equal(done.length, 1)
})

test('an address that takes no datagrams, or names nobody, is refused', async () => {
  const { meeting, done } = setup()
  const bad = [
    AT,
    `${AT}/p2p/`,
    `${AT}/p2p/nobody`,
    `/ip4/192.0.2.1/tcp/9000/p2p/${first}`,
    `/ip4/192.0.2.1/udp/9000/quic-v1/p2p/${first}`,
    `/ip4/192.0.2.1/udp/0/p2p/${first}`,
    `/ip4/192.0.2.1/udp/70000/p2p/${first}`,
    '',
  ]
  for (const address of bad) {
    await assert.rejects(meeting.join(address, {}), coded('DHT_FIRST_PEER_INVALID'), address)
  }
  assert.deepEqual(done, [])
})

test('who serves is asked where it takes datagrams before it is known; who only asks is not', async () => {
  const { meeting, done } = setup()
  await meeting.identified(first, [PROTOCOL])
  assert.deepEqual(done, [`face of ${first}`, `${first} serves`, `met ${first}`])
  done.length = 0
  await meeting.identified(first, ['/other'])
  assert.deepEqual(done, [`${first} asks only`, `met ${first}`])
})

test('who is known already is not met again; after the end nobody is met', async () => {
  const { meeting, done } = setup({ isNew: false })
  meeting.spoke(first, true)
  assert.deepEqual(done, [`${first} serves`])
  done.length = 0
  meeting.stop()
  await meeting.identified(first, [PROTOCOL])
  await meeting.join(`${AT}/p2p/${first}`, {})
  assert.ok(!done.some((what) => what.endsWith('serves')))
})
