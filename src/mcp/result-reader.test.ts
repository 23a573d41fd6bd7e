import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { ALICE } from '../../test/support/mcp-fixture.ts'
import { type CodedError, silentLog } from '../base/index.ts'
import type { CallOptions, Channel } from '../net/index.ts'
import { encodeHead, linkTo } from './result-protocol.ts'
import { type LargeResult, ResultReader } from './result-reader.ts'

const RESULT = { content: [{ type: 'text', text: 'x'.repeat(2_000) }], isError: false }
const BYTES = Buffer.from(JSON.stringify(RESULT))
const keptOf = (bytes: Uint8Array) => ({
  id: '0'.repeat(32),
  size: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
})
const KEPT = keptOf(BYTES)
const OF = { peer: ALICE, tool: 'long' }

/** Reads what a peer keeps that sends `parts` on each stream, over a clock that runs by itself. */
async function readFrom(
  parts: () => Iterable<Uint8Array>,
  { resultBytesMax = 1_000_000, kept = KEPT } = {},
) {
  const clock = new FakeClock()
  let opened = 0
  const open = async () => {
    opened += 1
    const frames = (function* () {
      yield encodeHead(kept)
      yield* parts()
    })()
    const read = async () => frames.next().value ?? undefined
    const nothing = async () => undefined
    return { read, write: nothing, close: nothing, abort: () => undefined } as unknown as Channel
  }
  const deps = { host: { open }, clock, log: silentLog, network: 'test' }
  const reader = new ResultReader(deps, { resultBytesMax })
  const { signal } = new AbortController()
  const result = { content: [linkTo(kept)] }
  const whole = reader.whole(OF, result, { signal })
  const state = { isOver: false }
  const over = () => {
    state.isOver = true
  }
  whole.then(over, over)
  for (let i = 0; i < 10 && !state.isOver; i += 1) await clock.advance(500)
  return { whole, opened: () => opened }
}

test('a result that comes byte by byte keeps none of its parts', async () => {
  const { whole } = await readFrom(function* () {
    // One buffer for all: what was kept of a part would be another byte by the end.
    const part = new Uint8Array(1)
    for (const byte of BYTES) {
      part[0] = byte
      yield part
    }
  })
  assert.deepEqual(await whole, RESULT)
})

test('parts without bytes end the stream, and after three such streams it is lost', async () => {
  const { whole, opened } = await readFrom(() => [new Uint8Array()])
  await assert.rejects(whole, coded('MCP_RESULT_LOST'))
  assert.equal(opened(), 3)
})

test('a result above the limit is not asked for', async () => {
  const { whole, opened } = await readFrom(() => [BYTES], { resultBytesMax: 1_024 })
  await assert.rejects(whole, coded('MCP_RESULT_TOO_LARGE'))
  assert.equal(opened(), 0)
})

test('what is no result, once it was read, is lost: its tool ran', async () => {
  const texts = ['{', '[]', '{"content":5}', '{"content":["x"]}'].map((text) => Buffer.from(text))
  for (const bytes of [...texts, Uint8Array.of(0xff)]) {
    const { whole } = await readFrom(() => [bytes], { kept: keptOf(bytes) })
    await assert.rejects(whole, coded('MCP_RESULT_LOST'), Buffer.from(bytes).toString())
  }
})

test('a result whose time is over says how much had come; in parts it has a time of its own', async () => {
  for (const [isInParts, cut] of [
    [false, 'signal'],
    [true, 'takenUntil'],
  ] as const) {
    const frames = [encodeHead(KEPT), BYTES.subarray(0, 700)]
    const silent = (signal: AbortSignal | undefined) => {
      return new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      })
    }
    const read = async ({ signal }: CallOptions = {}) => frames.shift() ?? silent(signal)
    const nothing = async () => undefined
    const channel = { read, write: nothing, close: nothing, abort: () => undefined }
    const host = { open: async () => channel as unknown as Channel }
    const deps = { host, clock: new FakeClock(), log: silentLog, network: 'test' }
    const ends = { signal: new AbortController(), takenUntil: new AbortController() }
    let got = 0
    const onlarge = async ({ parts }: LargeResult) => {
      for await (const part of parts) got += part.length
    }
    const reading = new ResultReader(deps, { resultBytesMax: 1_000_000 }).whole(
      OF,
      { content: [linkTo(KEPT)] },
      {
        ...{ signal: ends.signal.signal, takenUntil: ends.takenUntil.signal },
        onlarge: isInParts ? onlarge : undefined,
      },
    )
    const failed = assert.rejects(reading, (error: CodedError) => {
      assert.deepEqual(error.facts, { ...OF, size: KEPT.size, read: 700 })
      return coded('MCP_RESULT_TIMEOUT')(error)
    })
    await turns()
    const other = cut === 'signal' ? 'takenUntil' : 'signal'
    ends[other].abort(new Error('not this one'))
    await turns()
    ends[cut].abort(new Error('its time is over'))
    await failed
    assert.equal(got, isInParts ? 700 : 0)
  }
})

async function turns(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await new Promise((resolve) => setImmediate(resolve))
}
