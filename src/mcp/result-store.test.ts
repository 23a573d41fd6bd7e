import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { open, readdir, rm, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { ALICE, BOB, scratch } from '../../test/support/mcp-fixture.ts'
import { concatBytes, secureRandom } from '../base/index.ts'
import { linkedResult } from './result-protocol.ts'
import { ResultStore } from './result-store.ts'

const RESULT = { content: [{ type: 'text', text: 'é'.repeat(300_000) }], isError: false }
const JSON_BYTES = Buffer.from(JSON.stringify(RESULT))

async function setup(resultStoreBytes = 4 * JSON_BYTES.length) {
  const folder = await scratch()
  const path = `${folder.path}/results`
  const clock = new FakeClock()
  const store = new ResultStore({ folder: path, clock, random: secureRandom }, { resultStoreBytes })
  await store.start()
  const stop = async () => {
    await store.stop()
    await folder[Symbol.asyncDispose]()
  }
  const keep = async () => {
    const { content } = (await store.keep(ALICE, RESULT)) as { content: readonly unknown[] }
    return linkedResult(content) ?? assert.fail('no link')
  }
  const read = async (peer = ALICE, id = '', from = 0) => {
    const parts: Uint8Array[] = []
    for await (const part of store.read(peer, id, from, 4_096)) parts.push(part)
    return Buffer.from(concatBytes(...parts))
  }
  return { store, clock, path, keep, read, [Symbol.asyncDispose]: stop }
}

test('a result is kept as its JSON, named with its size and hash, and read from anywhere', async () => {
  await using at = await setup()
  const { id, size, sha256 } = await at.keep()
  assert.equal(size, JSON_BYTES.length)
  assert.equal(sha256, createHash('sha256').update(JSON_BYTES).digest('hex'))
  assert.deepEqual(await at.read(ALICE, id), JSON_BYTES)
  assert.deepEqual(await at.read(ALICE, id, size - 5), JSON_BYTES.subarray(-5))
})

test('nobody else reads it, and nobody reads what is not kept', async () => {
  await using at = await setup()
  const { id } = await at.keep()
  await assert.rejects(at.read(BOB, id), coded('MCP_RESULT_UNKNOWN'))
  await assert.rejects(at.read(ALICE, 'other'), coded('MCP_RESULT_UNKNOWN'))
  assert.throws(() => at.store.find(BOB, id), coded('MCP_RESULT_UNKNOWN'))
})

test('one peer has half of the room, and what does not fit leaves nothing', async () => {
  await using at = await setup()
  await at.keep()
  await at.keep()
  await assert.rejects(at.keep(), coded('MCP_RESULT_TOO_LARGE'))
  assert.equal((await readdir(at.path)).length, 2)
  assert.equal(at.store.bytes, 2 * JSON_BYTES.length)
  await at.store.keep(BOB, RESULT)
})

test('what nobody fetches goes after five minutes, and what was read after half a minute', async () => {
  await using at = await setup()
  const first = await at.keep()
  const second = await at.keep()
  await at.read(ALICE, first.id)
  await at.clock.advance(30_000)
  assert.equal(at.store.count, 1)
  assert.throws(() => at.store.find(ALICE, first.id), coded('MCP_RESULT_UNKNOWN'))
  assert.equal(at.store.find(ALICE, second.id).size, JSON_BYTES.length)
  // The disk is a real one: the next look at what is old waits for it.
  const left = () => at.store.count
  while (left() > 0) await at.clock.advance(10_000)
  assert.ok(at.clock.now() >= 300_000)
  assert.equal(at.store.bytes, 0)
})

test('small results are bounded in number', async () => {
  await using at = await setup()
  const writers = await Promise.all(Array.from({ length: 64 }, () => at.store.open(ALICE)))
  await assert.rejects(at.store.open(ALICE), coded('MCP_RESULT_UNSENT'))
  await Promise.all(writers.map((writer) => writer.drop()))
  await (await at.store.open(ALICE)).drop()
  assert.deepEqual(await readdir(at.path), [])
})

test('a result that is read again and again goes after five minutes as well', async () => {
  await using at = await setup()
  const { id } = await at.keep()
  for (let passed = 0; passed < 290_000; passed += 10_000) {
    await at.read(ALICE, id).catch(() => undefined)
    await at.clock.advance(10_000)
  }
  assert.throws(() => at.store.find(ALICE, id), coded('MCP_RESULT_UNKNOWN'))
})

test('a folder that could not be made is tried again', async () => {
  await using at = await setup()
  await writeFile(at.path, 'in the way')
  await assert.rejects(at.keep(), coded('MCP_RESULT_STORE_FAILED'))
  await rm(at.path)
  assert.equal((await at.keep()).size, JSON_BYTES.length)
})

test('a result whose file cannot be closed is not kept, and takes no room', async (t) => {
  await using at = await setup()
  await at.keep()
  const some = await open(`${at.path}/.`)
  const files = Object.getPrototypeOf(some) as typeof some
  await some.close()
  const { writeFile: write } = files
  const writing = t.mock.method(
    files,
    'writeFile',
    async function (this: typeof some, bytes: never) {
      await write.call(this, bytes)
      const close = this.close.bind(this)
      this.close = async () => {
        await close()
        throw new Error('disk full')
      }
    },
  )
  await assert.rejects(at.keep(), coded('MCP_RESULT_STORE_FAILED'))
  writing.mock.restore()
  assert.equal(at.store.bytes, JSON_BYTES.length)
  assert.equal((await readdir(at.path)).length, 1)
})
