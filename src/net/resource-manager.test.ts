import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type PeerId, peerId } from '../identity/index.ts'
import { netConfig } from './config.ts'
import { victimOf } from './crowd.ts'
import { CONNECTION_BYTES, ConnectionAccount, StreamAccount } from './resource-accounts.ts'
import { ResourceManager, type ResourceManagerDeps } from './resource-manager.ts'

const MIB = 1_024 * 1_024
const A = peerId('12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg')
const B = peerId('12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5')

function setup(over: Parameters<typeof netConfig.parse>[0] = {}, deps: ResourceManagerDeps = {}) {
  const manager = new ResourceManager(netConfig.parse(over), deps)
  const cut: string[] = []
  const open = (name: string, host: string | undefined, idleSinceMs?: number) => {
    const seat = { host, idleSinceMs: () => idleSinceMs, cut: () => close() }
    const account = manager.openConnection('inbound', seat)
    assert.ok(account instanceof ConnectionAccount)
    const close = () => {
      cut.push(name)
      account.close()
    }
    return account
  }
  const come = (name: string, host: string | undefined, idleSinceMs?: number, peer = A) => {
    const account = open(name, host, idleSinceMs)
    const shortage = manager.prove(account, peer)
    if (shortage !== undefined) account.close()
    return shortage
  }
  return { manager, open, come, cut }
}

function streamOf(account: ConnectionAccount, direction: 'inbound' | 'outbound' = 'inbound') {
  const stream = account.openStream(direction)
  assert.ok(stream instanceof StreamAccount)
  return stream
}

const counts = (manager: ResourceManager) => {
  const { system, transient, peers, protocols } = manager.report()
  return [system, transient, ...peers, ...protocols].flatMap(({ used }) => Object.values(used))
}

test('a connection is transient until its peer is proven, a stream until its protocol is', () => {
  const { manager, open } = setup()
  const account = open('a', '9.0.0.1/32')
  assert.equal(manager.transient.used('connectionsIn'), 1)
  manager.prove(account, A)
  assert.equal(manager.transient.used('connectionsIn'), 0)
  assert.equal(manager.peer(A).used('memoryBytes'), CONNECTION_BYTES)
  const stream = streamOf(account)
  stream.hold(MIB)
  assert.ok(manager.transient.used('memoryBytes') >= MIB)
  stream.agree('/x/1')
  assert.equal(manager.transient.used('memoryBytes'), 0)
  assert.ok(manager.protocol('/x/1').used('memoryBytes') >= MIB)
  account.close()
  assert.ok(counts(manager).every((count) => count === 0))
})

test('streams that the other side opened share what their connection may hold', () => {
  const { manager, open } = setup()
  const account = open('a', undefined)
  manager.prove(account, A)
  const [one, two] = [streamOf(account), streamOf(account)]
  assert.equal(one.hold(10 * MIB), undefined)
  assert.equal(two.hold(7 * MIB)?.scope, 'connection')
  assert.equal(two.hold(6 * MIB), undefined)
  // An answer that we asked for counts for the peer.
  assert.equal(streamOf(account, 'outbound').hold(16 * MIB), undefined)
  assert.equal(streamOf(account, 'outbound').hold(40 * MIB)?.scope, 'peer')
})

test('an answer of 16 MiB, the most that MCP sends, fits in both directions', () => {
  const { manager, open } = setup()
  const account = open('a', undefined)
  manager.prove(account, A)
  assert.equal(streamOf(account).hold(16 * MIB + 5), undefined)
})

test('when all places are taken the largest crowd makes room, first who is idle longest', () => {
  const { come, cut } = setup({ connectionsMax: 4 })
  come('crowd busy', '9.0.0.1/32')
  come('crowd idle', '9.0.0.1/32', 20)
  come('crowd idler', '9.0.0.1/32', 10)
  come('lone', '9.0.0.2/32', 1)
  assert.equal(come('newcomer', '9.0.0.3/32'), undefined)
  assert.deepEqual(cut, ['crowd idler'])
  assert.equal(come('of the crowd', '9.0.0.1/32')?.resource, 'connections')
  assert.equal(come('one more', '9.0.0.1/32')?.scope, 'system')
})

test('our own peers get in without a place, and are never displaced', () => {
  const isOwn = (peer: PeerId) => peer === B
  const { manager, come, cut } = setup({ connectionsMax: 2 }, { isOwn })
  come('own', '9.0.0.1/32', 1, B)
  come('own too', '9.0.0.1/32', 1, B)
  assert.equal(come('stranger', '9.0.0.2/32')?.resource, 'connections')
  assert.equal(come('third', '9.0.0.1/32', 1, B), undefined)
  assert.deepEqual(cut, [])
  assert.equal(manager.shed(10), 0)
})

test('under pressure strangers get no new streams, and the idle go', () => {
  const { manager, open, cut } = setup({ memoryMaxMb: 256 })
  const [busy, idle] = [open('busy', 'x'), open('idle', 'y', 5)]
  manager.prove(busy, A)
  manager.prove(idle, B)
  manager.press(300)
  const refused = busy.openStream('inbound')
  assert.ok(!(refused instanceof StreamAccount))
  assert.deepEqual([refused.scope, refused.resource], ['system', 'memoryBytes'])
  assert.ok(busy.openStream('outbound') instanceof StreamAccount)
  assert.equal(manager.shed(10), 1)
  assert.deepEqual(cut, ['idle'])
  manager.press(undefined)
  assert.ok(busy.openStream('inbound') instanceof StreamAccount)
})

test('a connection that is closed opens no more streams', () => {
  const { manager, open } = setup()
  const account = open('a', undefined)
  manager.prove(account, A)
  account.close()
  assert.ok(!(account.openStream('inbound') instanceof StreamAccount))
  assert.ok(counts(manager).every((count) => count === 0))
})

test('windows grow until those of a connection reach what it may hold', () => {
  const { manager, open } = setup()
  const account = open('a', undefined)
  manager.prove(account, A)
  let grown = 0
  while (account.growWindow(MIB)) grown += 1
  assert.equal(grown, 16)
  account.shrinkWindow(MIB)
  assert.ok(account.growWindow(MIB))
})

test('victimOf() never takes one of a small crowd for one of a large', () => {
  const seat = { host: undefined, idleSinceMs: () => undefined, cut: () => undefined }
  const one = fc.record({
    host: fc.constantFrom('a', 'b', 'c', 'd'),
    idleSinceMs: fc.option(fc.nat(9), { nil: undefined }),
    streams: fc.nat(3),
    seat: fc.constant(seat),
  })
  fc.assert(
    fc.property(fc.array(one), fc.constantFrom('a', 'b', 'z'), (seated, host) => {
      const size = (name: string | undefined) => seated.filter((any) => any.host === name).length
      const victim = victimOf(seated, host)
      if (victim === undefined) assert.ok(seated.every((any) => size(any.host) <= size(host) + 1))
      else assert.ok(size(victim.host) > size(host) + 1)
    }),
  )
})

test('whatever is opened and closed in whichever order, nothing is left in the end', () => {
  const step = fc.record({
    what: fc.constantFrom('open', 'prove', 'stream', 'agree', 'hold', 'closeStream', 'close'),
    at: fc.nat(5),
    bytes: fc.nat(3 * MIB),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { manager, open } = setup({ connectionMemoryBytes: 2 * MIB, peerMemoryBytes: 4 * MIB })
      const accounts: ConnectionAccount[] = []
      const streams: StreamAccount[] = []
      for (const { what, at, bytes } of steps) {
        const account = accounts[at]
        const stream = streams[at]
        if (what === 'open') accounts.push(open('', 'h'))
        if (what === 'prove' && account) manager.prove(account, bytes % 2 === 0 ? A : B)
        if (what === 'stream' && account) {
          const opened =
            account.peer && account.openStream(bytes % 2 === 0 ? 'inbound' : 'outbound')
          if (opened instanceof StreamAccount) streams.push(opened)
        }
        if (what === 'agree') stream?.agree(`/p/${bytes % 3}`)
        if (what === 'hold') stream?.hold(bytes)
        if (what === 'closeStream') stream?.close()
        if (what === 'close') account?.close()
        for (const { used, limits } of manager.report().peers) {
          assert.ok(used.memoryBytes <= (limits.memoryBytes ?? 0))
        }
      }
      for (const account of accounts) account.close()
      assert.ok(counts(manager).every((count) => count === 0))
    }),
  )
})

test('a host whose connections have ended counts none of them', () => {
  const { manager, open } = setup({ connectionsMax: 1 })
  for (const host of ['9.0.0.1/32', '9.0.0.1/32', '9.0.0.1/32']) {
    const account = open('a', host)
    manager.prove(account, A)
    account.close()
  }
  manager.prove(open('b', '9.0.0.2/32'), B)
  assert.equal(manager.hasPlaceFor('9.0.0.3/32'), false)
})

test('keep() counts for a peer without a connection, up to what one may have', () => {
  const { manager } = setup({ peerMemoryBytes: MIB })
  assert.ok(manager.keep(A, MIB))
  assert.equal(manager.keep(A, 1), false)
  assert.equal(manager.system.used('memoryBytes'), MIB)
  assert.ok(manager.keep(A, -MIB))
  assert.deepEqual(manager.report().peers, [])
  assert.equal(manager.system.used('memoryBytes'), 0)
})
