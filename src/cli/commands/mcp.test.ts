import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ALICE, missing, setup, unreachable } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { CodedError, hasCode } from '../../base/index.ts'
import type { Catalog } from '../../mcp/index.ts'
import type { Daemon, NodeClient, Rooms } from '../rooms.ts'
import { mcp } from './mcp.ts'

const status = async () => ({}) as Awaited<ReturnType<NodeClient['status']>>

/** A face that ends when `done` does; it remembers its catalog. */
function facing(done: Promise<void> = Promise.resolve()) {
  const seen: { catalog?: Catalog; closed: number } = { closed: 0 }
  const serveStdio: Rooms['serveStdio'] = async (catalog) => {
    seen.catalog = catalog
    const close = async () => {
      seen.closed += 1
    }
    return { done, close }
  }
  return { seen, serveStdio }
}

test('mcp serves the catalog of the running node until its input ends', async () => {
  const { seen: face, serveStdio } = facing()
  const result = { content: ['pong'] }
  const node = { status, catalogList: async () => [], catalogCall: async () => result }
  const { context, stdout, seen } = setup({ node, rooms: { serveStdio } })
  await mcp.run(context)
  assert.deepEqual(await face.catalog?.list({}), [])
  assert.deepEqual(await face.catalog?.call('ping', {}, {}), result)
  assert.deepEqual([face.closed, seen.closed, stdout.text], [1, 1, ''])
})

test('mcp ends when it is asked to', async () => {
  const { seen: face, serveStdio } = facing(new Promise<void>(() => undefined))
  const controller = new AbortController()
  const { context } = setup({ node: { status }, rooms: { serveStdio }, signal: controller.signal })
  const running = mcp.run(context)
  controller.abort()
  await running
  assert.equal(face.closed, 1)
})

test('mcp starts a node where none runs, and stops it in the end', async () => {
  const { serveStdio } = facing()
  const stopped: string[] = []
  let up = false
  const rooms: Partial<Rooms> = {
    serveStdio,
    async startDaemon({ flags }) {
      up = true
      return missing<Daemon>('daemon', { stop: async () => void stopped.push(flags.data ?? '') })
    },
  }
  const absent = setup({ rooms, options: { data: 'mine' } })
  const present = setup({ node: { status } })
  const connect = () => (up ? present.context.connect() : absent.context.connect())
  await mcp.run({ ...absent.context, connect })
  assert.deepEqual(stopped, ['/here/mine'])
  assert.equal(present.seen.closed, 1)
  assert.equal(absent.stdout.text, '')
})

test('mcp starts no second node beside one that refuses it', async () => {
  const refused = new CodedError('CONTROL_TOKEN_INVALID', {}, { says: () => 'no' })
  const { context } = setup({ node: { status: () => Promise.reject(refused) } })
  await assert.rejects(mcp.run(context), coded('CONTROL_TOKEN_INVALID'))
})

/** A node that is not there until `up` is set, and then has `peers`. */
function absentAtFirst(startDaemon: Rooms['startDaemon'], done?: Promise<void>) {
  const { seen: face, serveStdio } = facing(done)
  const now = { up: false, peers: [] as Awaited<ReturnType<NodeClient['peers']>>, lists: 0 }
  const made = setup({
    node: {
      status: async () => (now.up ? status() : Promise.reject(unreachable())),
      peers: async () => now.peers,
      async catalogList() {
        now.lists += 1
        return []
      },
    },
    rooms: { serveStdio, startDaemon },
  })
  return { ...made, face, now }
}

test('the first list of a node that was just started waits for a peer, but not for ever', async () => {
  const end = Promise.withResolvers<void>()
  const starts = absentAtFirst(async () => {
    starts.now.up = true
    return missing<Daemon>('daemon', { stop: async () => undefined })
  }, end.promise)
  const { clock, now, face } = starts
  const running = mcp.run(starts.context)
  await clock.advance(500)
  const listing = face.catalog?.list()
  await clock.advance(1_000)
  now.peers = [{ peer: ALICE, connections: [], protocols: [] }]
  await clock.advance(500)
  assert.equal(now.lists, 0, 'it has not said yet what it speaks')
  now.peers = [{ peer: ALICE, connections: [], protocols: ['/p2p/kad/1.0.0'] }]
  await clock.advance(100)
  await listing
  assert.equal(now.lists, 1)
  end.resolve()
  await running
  assert.equal(clock.waiting, 0)
})

test('without a peer the first list comes after three seconds', async () => {
  const end = Promise.withResolvers<void>()
  const starts = absentAtFirst(async () => {
    starts.now.up = true
    return missing<Daemon>('daemon', { stop: async () => undefined })
  }, end.promise)
  const running = mcp.run(starts.context)
  await starts.clock.advance(0)
  const listing = starts.face.catalog?.list()
  await starts.clock.advance(2_900)
  assert.equal(starts.now.lists, 0)
  await starts.clock.advance(200)
  await listing
  end.resolve()
  await running
})

test('of two that begin together, the second waits for the node of the first', async () => {
  const taken = new CodedError('NODE_ALREADY_RUNNING', {}, { says: () => 'taken' })
  const second = absentAtFirst(() => Promise.reject(taken))
  const running = mcp.run(second.context)
  await second.clock.advance(1_000)
  assert.equal(second.face.closed, 0)
  second.now.up = true
  await second.clock.advance(100)
  await running
  assert.equal(second.face.closed, 1)

  const never = absentAtFirst(() => Promise.reject(taken))
  const refused = assert.rejects(mcp.run(never.context), coded('NODE_ALREADY_RUNNING'))
  await never.clock.advance(11_000)
  await refused
  assert.equal(never.clock.waiting, 0)
})

test('a node that cannot be reached after its start is stopped again', async () => {
  let stopped = 0
  const startDaemon = async () => {
    const stop = async () => {
      stopped += 1
    }
    return missing<Daemon>('daemon', { stop })
  }
  const { context } = setup({ rooms: { startDaemon } })
  await assert.rejects(mcp.run(context), coded('CONTROL_NODE_UNREACHABLE'))
  assert.equal(stopped, 1)
})

test('mcp gives up on a node that does not stop in time', async () => {
  const starts = absentAtFirst(async () => {
    starts.now.up = true
    return missing<Daemon>('daemon', { stop: () => new Promise<void>(() => undefined) })
  })
  const refused = assert.rejects(mcp.run(starts.context), (error) => {
    return hasCode(error, 'CLI_STOP_TIMEOUT')
  })
  await setImmediate()
  await starts.clock.advance(3_000)
  await refused
})
