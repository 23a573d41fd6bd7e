import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missing, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { CodedError } from '../../base/index.ts'
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
