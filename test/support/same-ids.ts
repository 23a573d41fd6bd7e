/** Peers that call with the same ids at once; an answer that crossed over would name another. */

import assert from 'node:assert/strict'
import { seededRandom } from '../../src/base/index.ts'
import { generateKeys } from '../../src/identity/index.ts'
import { tool } from '../../src/mcp/own-tool.ts'
import { encodeMessage, parseFrame, SERVICE_META } from '../../src/mcp/protocol.ts'
import { z } from '../../src/mcp/tool.ts'
import type { Channel } from '../../src/net/index.ts'
import { ALICE, duo, scratch } from './mcp-fixture.ts'

const AT_ONCE = 16
const STREAMS = 3

/** Two peers, one with two streams: `calls` in all. Says how many answers each stream had. */
export async function callWithSameIds(calls: number): Promise<readonly number[]> {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path, config: { concurrentMax: 64 } })
  const echo = tool('echo', { input: z.object({ who: z.string() }) }, ({ who }) => who)
  net.services.exposeTools('own', [echo])
  const eve = generateKeys(seededRandom('eve')).signer.peer
  const streams = [net.open(), net.open(eve), net.open(ALICE)]
  const each = Math.ceil(calls / STREAMS)
  const heard = await Promise.all(streams.map((stream, i) => ask(stream, `caller ${i}`, each)))
  return heard.map(({ size }) => size)
}

/** Calls with the ids 0, 1, 2, …, several at once, and says for whom each answer was. */
async function ask(stream: Channel, who: string, calls: number): Promise<ReadonlySet<string>> {
  const heard = new Set<string>()
  const call = (id: number) => {
    const meta = id === 0 ? { _meta: { [SERVICE_META]: 'own' } } : {}
    const params = { name: 'echo', arguments: { who: `${who} ${id}` }, ...meta }
    return stream.write(encodeMessage({ jsonrpc: '2.0', id, method: 'tools/call', params }))
  }
  for (let id = 0; id < AT_ONCE; id += 1) await call(id)
  for (let id = AT_ONCE; heard.size < calls; id += 1) {
    const frame = await stream.read()
    assert.ok(frame !== undefined)
    const { id: answered, result } = parseFrame(frame)
    assert.ok(typeof answered === 'number')
    const { content } = result as { content: readonly [{ readonly text: string }] }
    assert.equal(content[0].text, `${who} ${answered}`)
    heard.add(content[0].text)
    if (id < calls) await call(id)
  }
  return heard
}
