import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { ALICE, scratch } from '../../test/support/mcp-fixture.ts'
import { secureRandom, systemClock } from '../base/index.ts'
import { isPartUri, ResultParts } from './result-parts.ts'
import { ResultStore } from './result-store.ts'

const MIB = 1024 * 1024

async function setup(folder: string) {
  const deps = { folder: join(folder, 'results'), clock: systemClock, random: secureRandom }
  const store = new ResultStore(deps, { resultStoreBytes: 256 * MIB })
  await store.start()
  return { parts: new ResultParts({ store, self: ALICE }), stop: () => store.stop() }
}

/** Text in pieces that cut characters, as a network does. */
async function* bytesOf(text: string, size: number) {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) {
    yield Uint8Array.from(bytes.subarray(at, at + size))
  }
}

test('a long result becomes its beginning and a link, whose parts are the result', async () => {
  await using folder = await scratch()
  const { parts, stop } = await setup(folder.path)
  const text = JSON.stringify({ content: [{ type: 'text', text: 'a€😀'.repeat(400_000) }] })
  const { content } = await parts.keep({ parts: bytesOf(text, 65_521) })
  const [preview, link] = content as [{ text: string }, Record<string, unknown>]
  assert.match(preview.text, /It begins:\n\{"content":\[\{"type":"text","text":"a€😀/)
  assert.ok(preview.text.length < 2_500)
  assert.equal(link.type, 'resource_link')
  assert.equal(link.size, Buffer.byteLength(text))
  const count = (link._meta as Record<string, number>)['p2p-foundation/parts'] ?? 0
  const uri = String(link.uri)
  let joined = ''
  for (let part = 0; part < count; part += 1) {
    const read = await parts.read(uri.replace('part=0', `part=${part}`))
    assert.ok(Buffer.byteLength(read.text) <= MIB + 4)
    joined += read.text
  }
  // No difference of megabytes is worth being written out.
  assert.ok(joined === text)
  const beyond = parts.read(uri.replace('part=0', `part=${count}`))
  await assert.rejects(beyond, coded('MCP_RESULT_UNKNOWN'))
  await assert.rejects(
    parts.read(`p2p-foundation:result/${'0'.repeat(32)}`),
    coded('MCP_RESULT_UNKNOWN'),
  )
  await stop()
})

test('what is short stays as it is, and a result that breaks off leaves nothing', async () => {
  await using folder = await scratch()
  const { parts, stop } = await setup(folder.path)
  const short = { content: [{ type: 'text', text: 'short' }] }
  assert.equal(await parts.fit(short), short)
  const long = await parts.fit({ content: [{ type: 'text', text: 'x'.repeat(17 * MIB) }] })
  assert.equal(long.content.length, 2)
  const broken = (async function* () {
    yield new Uint8Array(10)
    throw new TypeError('it broke off')
  })()
  await assert.rejects(parts.keep({ parts: broken }), /it broke off/)
  await stop()
})

test('only addresses of our own are ours', () => {
  const id = 'a'.repeat(32)
  assert.ok(isPartUri(`p2p-foundation:result/${id}?part=3`))
  for (const uri of ['file:///etc/passwd', `p2p-foundation:result/${id}/../x`, 5, undefined]) {
    assert.equal(isPartUri(uri), false, String(uri))
  }
})
