import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { testPeer } from '../../test/support/mcp-directory.ts'
import { McpError } from './errors.ts'
import {
  CHARS_MAX,
  Journal,
  KEPT_CHARS_MAX,
  type KeyedCall,
  PEER_CHARS_MAX,
  PEER_ENTRIES_MAX,
} from './journal.ts'
import { SqliteJournal } from './journal-store.ts'
import { outcomeOf } from './keyed-calls.ts'

const ALICE = testPeer(1)
const BOB = testPeer(2)
const KEEP_MS = 600_000

function call(key: string, over: Partial<KeyedCall> = {}): KeyedCall {
  return { peer: ALICE, key, digest: 'echo', durable: true, ...over }
}

function setup(file = ':memory:', clock = new FakeClock()) {
  const store = new SqliteJournal(file)
  return { clock, store, journal: new Journal({ store, clock }, { journalKeepMs: KEEP_MS }) }
}

async function scratch(): Promise<AsyncDisposable & { readonly file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-journal-'))
  const file = join(folder, 'calls.sqlite')
  return { file, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

test('begin() gives a key out once; whoever comes again has the same entry', async () => {
  const { journal } = setup()
  const { entry, isNew } = journal.begin(call('k1'))
  assert.ok(isNew)
  const again = journal.begin(call('k1'))
  assert.equal(again.isNew, false)
  const joined = outcomeOf(again.entry)
  journal.finish(entry, '{"result":1}')
  assert.equal(await joined, '{"result":1}')
  assert.equal(await outcomeOf(journal.begin(call('k1')).entry), '{"result":1}')
  assert.ok(journal.begin(call('k1', { peer: BOB })).isNew, 'keys of others are others')
  assert.throws(() => journal.begin(call('k1', { digest: 'other' })), coded('MCP_KEY_REUSED'))
})

test('a call in work when the node stopped is lost; one that was done is known', async () => {
  await using folder = await scratch()
  const before = setup(folder.file)
  await before.clock.advance(10)
  journalled(before.journal, ['done', 'running'])
  before.journal.begin(call('volatile', { durable: false }))
  before.store.close()

  const { journal, clock, store } = setup(folder.file, before.clock)
  assert.equal(await outcomeOf(journal.find(ALICE, 'done', 1)), '{"result":1}')
  await assert.rejects(outcomeOf(journal.find(ALICE, 'running', 1)), coded('MCP_CALL_LOST'))
  await assert.rejects(outcomeOf(journal.begin(call('running')).entry), coded('MCP_CALL_LOST'))
  await clock.advance(1_000)
  assert.throws(() => journal.find(ALICE, 'other', 500), coded('MCP_CALL_NEVER_RAN'))
  store.close()
})

function journalled(journal: Journal, [done, running]: readonly [string, string]) {
  journal.finish(journal.begin(call(done)).entry, '{"result":1}')
  journal.begin(call(running))
}

test('find() withdraws a key that never came: its call is refused if it comes late', async () => {
  await using folder = await scratch()
  const { journal, clock, store } = setup(folder.file)
  await clock.advance(10_000)
  assert.throws(() => journal.find(ALICE, 'late', 5_000), coded('MCP_CALL_NEVER_RAN'))
  const { entry, isNew } = journal.begin(call('late'))
  assert.equal(isNew, false)
  await assert.rejects(outcomeOf(entry), coded('MCP_CALL_NEVER_RAN'))
  store.close()
  const after = setup(folder.file, clock)
  assert.equal(after.journal.begin(call('late')).isNew, false, 'nor after a restart')
  after.store.close()
})

test('find() does not say for sure what was before the journal, or had to go', async () => {
  const { journal, clock } = setup()
  await clock.advance(1_000)
  assert.throws(() => journal.find(ALICE, 'older', 2_000), coded('MCP_CALL_LOST'))
  for (let i = 0; i < PEER_ENTRIES_MAX + 1; i += 1) {
    journal.finish(journal.begin(call(`k${i}`)).entry, '{"result":1}')
  }
  assert.equal(journal.size.entries, PEER_ENTRIES_MAX)
  assert.throws(() => journal.find(ALICE, 'k0', 100), coded('MCP_CALL_LOST'))
  assert.throws(() => journal.find(BOB, 'k0', 100), coded('MCP_CALL_NEVER_RAN'), 'of others')
})

test('calls in work never go; a peer that has too many of them is refused', () => {
  const { journal } = setup()
  for (let i = 0; i < PEER_ENTRIES_MAX; i += 1) journal.begin(call(`k${i}`))
  assert.throws(() => journal.begin(call('more')), coded('MCP_BUSY'))
  assert.ok(journal.begin(call('more', { peer: BOB })).isNew)
})

test('entries go after their time, and what is too long leaves its size', async () => {
  const { journal, clock } = setup()
  const { entry } = journal.begin(call('large'))
  journal.finish(entry, `{"result":"${'x'.repeat(KEPT_CHARS_MAX)}"}`)
  await assert.rejects(outcomeOf(entry), coded('MCP_RESULT_NOT_KEPT'))
  assert.match(entry.text, /^65549 characters$/)
  await clock.advance(KEEP_MS + 1)
  assert.ok(journal.begin(call('next')).isNew)
  assert.equal(journal.size.entries, 1)
})

test('an entry that must go is marked before it is gone, for a node that dies in between', async () => {
  const clock = new FakeClock()
  const store = new SqliteJournal(':memory:')
  const writes: string[] = []
  const watched = {
    load: (nowMs: number) => store.load(nowMs),
    put: () => writes.push('put'),
    end: () => writes.push('end'),
    delete: () => writes.push('delete'),
    forgotten: () => writes.push('mark'),
    close: () => store.close(),
  }
  const journal = new Journal({ store: watched, clock }, { journalKeepMs: KEEP_MS })
  journal.finish(journal.begin(call('old')).entry, '{"result":1}')
  await clock.advance(KEEP_MS + 1)
  journal.begin(call('next'))
  assert.deepEqual(writes, ['put', 'end', 'mark', 'delete', 'put'])
})

test('a file that cannot be written ends no answer and says nothing that is not so', async () => {
  const clock = new FakeClock()
  const store = new SqliteJournal(':memory:')
  let full = false
  let deleted = 0
  const broken = {
    load: (nowMs: number) => store.load(nowMs),
    put: () => {},
    end: () => {},
    delete: () => {
      deleted += 1
    },
    forgotten: () => {
      if (full) throw McpError.JOURNAL_FAILED({ file: 'calls.sqlite', reason: 'disk full' })
    },
    close: () => store.close(),
  }
  const journal = new Journal({ store: broken, clock }, { journalKeepMs: KEEP_MS })
  await clock.advance(1_000)
  const chars = 'x'.repeat(KEPT_CHARS_MAX - 20)
  const count = Math.ceil(PEER_CHARS_MAX / KEPT_CHARS_MAX) + 2
  const entries = Array.from({ length: count }, (_, i) => journal.begin(call(`k${i}`)).entry)
  full = true
  for (const entry of entries) journal.finish(entry, chars)
  assert.equal(await outcomeOf(entries.at(-1) ?? assert.fail()), chars)
  assert.equal(deleted, 0, 'what is not marked stays in the file')
  assert.throws(() => journal.find(ALICE, 'k0', 100), coded('MCP_CALL_LOST'))
})

test('who waits for a call that may come again is told that', async () => {
  const { journal } = setup()
  const { entry } = journal.begin(call('asks'))
  const waits = outcomeOf(journal.begin(call('asks')).entry)
  journal.reopen(entry)
  await assert.rejects(waits, /call it again/)
})

test('peers that only ask push nobody else out of the journal', async () => {
  const { journal, clock } = setup()
  await clock.advance(1_000)
  const { entry } = journal.begin(call('kept'))
  journal.finish(entry, '{"result":1}')
  for (let i = 0; i < 4_200; i += 1) {
    const { entry: other } = journal.begin(call('k', { peer: `peer-${i}` as typeof ALICE }))
    journal.reopen(other)
  }
  assert.equal(await outcomeOf(journal.find(ALICE, 'kept', 100)), '{"result":1}')
})

test('a file that is no journal is moved away, and a machine started anew knows nothing', async () => {
  await using folder = await scratch()
  const { writeFile, readFile } = await import('node:fs/promises')
  await writeFile(folder.file, 'no database at all, but some text that is long enough')
  const { journal, store } = setup(folder.file)
  assert.ok(journal.begin(call('k')).isNew)
  store.close()
  assert.match(await readFile(`${folder.file}.broken`, 'utf8'), /^no database/)
})

test('whatever is done, a key runs once and the sums stay within their bounds', async () => {
  const operation = fc.record({
    what: fc.constantFrom('begin', 'finish', 'lose', 'find', 'reopen', 'pass'),
    peer: fc.integer({ min: 1, max: 3 }),
    key: fc.integer({ min: 0, max: 5 }),
    size: fc.integer({ min: 0, max: 2 * KEPT_CHARS_MAX }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 200 }), async (operations) => {
      const { journal, clock } = setup()
      await clock.advance(10 * KEEP_MS)
      const running = new Map<string, ReturnType<Journal['begin']>['entry']>()
      const over = new Set<string>()
      for (const { what, peer, key, size } of operations) {
        const id = `${peer}/${key}`
        const entry = running.get(id)
        if (what === 'begin') {
          const begun = journal.begin(call(`${key}`, { peer: testPeer(peer) }))
          assert.equal(begun.isNew, entry === undefined && !over.has(id), id)
          if (begun.isNew) running.set(id, begun.entry)
        } else if (what === 'find') {
          if (entry === undefined && !over.has(id)) {
            assert.throws(() => journal.find(testPeer(peer), `${key}`, 1))
            over.add(id)
          }
        } else if (what === 'pass') await clock.advance(1)
        else if (entry !== undefined) {
          if (what === 'finish') journal.finish(entry, 'x'.repeat(size))
          else if (what === 'lose') journal.lose(entry, 'gone')
          else journal.reopen(entry)
          running.delete(id)
          if (what !== 'reopen') over.add(id)
        }
        assert.ok(journal.size.chars >= 0 && journal.size.chars <= 3 * PEER_CHARS_MAX)
        assert.ok(journal.size.chars <= CHARS_MAX)
      }
      assert.equal(journal.size.entries, running.size + over.size)
    }),
    { numRuns: 50 },
  )
})
