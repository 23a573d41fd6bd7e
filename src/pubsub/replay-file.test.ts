import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { CodedError, secureRandom, silentLog } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { formatReplay, parseReplay, ReplayFile } from './replay-file.ts'
import { ReplayGuard } from './replay-guard.ts'
import { Sequence, sequenceAt } from './sequence.ts'

const NOW_MS = 1_700_000_000_000
const author = generateKeys(secureRandom).signer.peer
const CONFIG = { replayWindowMs: 60_000, replayAuthorsMax: 4_096 }

async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'p2p-replay-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** One run of a node, from its start on. */
async function run(path: string, atMs = NOW_MS, config = CONFIG) {
  const clock = new FakeClock(atMs)
  const guard = new ReplayGuard(config)
  const sequence = new Sequence(clock)
  const deps = { file: join(path, 'replay.json'), clock, random: secureRandom, log: silentLog }
  const file = new ReplayFile(deps)
  await file.load(guard, sequence)
  const refusal = (number: bigint) =>
    guard.refusal(author, number, { nowMs: clock.now(), rule: 'strict' })?.reason
  const stop = () => file.save(guard, sequence, true)
  return { guard, sequence, refusal, stop, file, path: deps.file }
}

test('what was heard is refused after a restart, and what came later is not', async () => {
  await using dir = await folder()
  const first = await run(dir.path)
  first.guard.note(author, sequenceAt(NOW_MS))
  const own = first.sequence.next()
  await first.stop()
  const second = await run(dir.path, NOW_MS + 1_000)
  assert.equal(second.refusal(sequenceAt(NOW_MS)), 'replay')
  assert.equal(second.refusal(sequenceAt(NOW_MS + 1)), undefined)
  assert.ok(second.sequence.last === own && second.sequence.next() > own)
  assert.equal((await stat(second.path)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(dir.path), ['replay.json'])
})

test('after a run that was cut off, nothing made before the new start is taken', async () => {
  await using dir = await folder()
  await run(dir.path)
  const second = await run(dir.path, NOW_MS + 1_000)
  assert.equal(second.refusal(sequenceAt(NOW_MS + 999)), 'replay')
  assert.equal(second.refusal(sequenceAt(NOW_MS + 1_001)), undefined)
})

test('an author that was forgotten is not heard again with what it said before the restart', async () => {
  await using dir = await folder()
  const first = await run(dir.path, NOW_MS, { ...CONFIG, replayAuthorsMax: 1 })
  first.guard.note(author, sequenceAt(NOW_MS))
  first.guard.note(generateKeys(secureRandom).signer.peer, sequenceAt(NOW_MS))
  await first.stop()
  const second = await run(dir.path, NOW_MS + 1_000)
  assert.equal(second.refusal(sequenceAt(NOW_MS)), 'replay')
  assert.equal(second.refusal(sequenceAt(NOW_MS + 1_001)), undefined)
})

test('a node that runs for the first time takes what its window takes', async () => {
  await using dir = await folder()
  const { refusal } = await run(dir.path)
  assert.equal(refusal(sequenceAt(NOW_MS - 30_000)), undefined)
})

test('a broken file is set aside and counts as cut off', async () => {
  await using dir = await folder()
  await writeFile(join(dir.path, 'replay.json'), '{"version":1,"clean":true')
  const { refusal } = await run(dir.path)
  assert.equal(refusal(sequenceAt(NOW_MS - 1)), 'replay')
  assert.deepEqual((await readdir(dir.path)).toSorted(), ['replay.json', 'replay.json.broken'])
})

test('save() writes only what has changed', async () => {
  await using dir = await folder()
  const { file, guard, sequence, path } = await run(dir.path)
  await rm(path)
  await file.save(guard, sequence, false)
  assert.deepEqual(await readdir(dir.path), [])
  guard.note(author, 1n)
  await file.save(guard, sequence, false)
  assert.match(await readFile(path, 'utf8'), new RegExp(`"${author}","1"`))
})

test('a disk that refuses stops nobody', async () => {
  await using dir = await folder()
  const { refusal } = await run(join(dir.path, 'not there'))
  assert.equal(refusal(sequenceAt(NOW_MS)), undefined)
})

test('parseReplay() gives back what formatReplay() was given', () => {
  const number = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
  const newest = fc.array(fc.tuple(fc.constant(author), number))
  const state = fc.record({ clean: fc.boolean(), own: number, newest }, { noNullPrototype: true })
  fc.assert(fc.property(state, (one) => assert.deepEqual(parseReplay(formatReplay(one)), one)))
})

test('parseReplay() refuses everything else with a code', () => {
  const good = { version: 1, clean: true, own: '1', newest: [[author, '1']] }
  for (const bad of [
    null,
    [],
    { ...good, version: 2 },
    { ...good, clean: 1 },
    { ...good, own: 1 },
    { ...good, own: '-1' },
    { ...good, own: '18446744073709551616' },
    { ...good, newest: {} },
    { ...good, newest: [[author]] },
    { ...good, newest: [[author, '1', 2]] },
    { ...good, newest: [['nobody', '1']] },
    { ...good, newest: ['x'] },
  ]) {
    assert.throws(() => parseReplay(JSON.stringify(bad)), CodedError)
  }
})
