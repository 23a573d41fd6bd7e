import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hasCode } from '../base/index.ts'
import { MessageFile } from './message-file.ts'

const FORM = { schema: 'CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY) STRICT', format: 1 }
const ADD = 'INSERT INTO t VALUES (?)'
const ALL = 'SELECT n FROM t ORDER BY n'

function opened() {
  const file = new MessageFile(':memory:', FORM)
  const inFile = (n: number) => file.inFile('SELECT n FROM t WHERE n = ?', n) !== undefined
  return { file, inFile }
}

test('writes of one turn go together at its end, and whoever reads sees them before', async () => {
  const { file, inFile } = opened()
  const { turn } = file
  file.soon(ADD, 1)
  const second = file.soon(ADD, 0)
  second.values[0] = 2
  assert.deepEqual([inFile(1), file.turn], [false, turn])
  await file.written
  assert.deepEqual([inFile(1), inFile(2), file.turn], [true, true, turn + 1])
  file.soon(ADD, 3)
  assert.deepEqual(
    file.all(ALL).map(({ n }) => n),
    [1, 2, 3],
  )
  file.soon(ADD, 4)
  file.run('DELETE FROM t WHERE n = ?', 4)
  assert.equal(inFile(4), false)
  await file.written
  file.close()
})

test('all of a turn, or nothing: who waits is told why, and the next turn is not held back', async () => {
  const { file, inFile } = opened()
  file.soon(ADD, 1)
  file.soon(ADD, 1)
  const isFile = (error: unknown) => hasCode(error, 'AGENT_MESSAGES_FILE')
  await assert.rejects(file.written, isFile)
  assert.equal(inFile(1), false)
  file.soon(ADD, 1)
  await file.written
  assert.equal(inFile(1), true)
  file.soon(ADD, 1)
  assert.throws(() => file.all(ALL), isFile)
  file.close()
})

test('many writes do not wait for the end of the turn', async () => {
  const { file, inFile } = opened()
  for (let n = 0; n < 600; n += 1) file.soon(ADD, n)
  assert.equal(inFile(0), false)
  await Promise.resolve()
  assert.deepEqual([inFile(0), inFile(599)], [true, true])
  file.close()
})

test('what is in the file, and in its log, is for its owner alone, also where it was not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-messages-'))
  const file = join(folder, 'inbox.sqlite')
  const assertClosed = async () => {
    const names = await readdir(folder)
    assert.ok(names.length > 1, names.join(', '))
    for (const name of names) assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600)
  }
  try {
    const first = new MessageFile(file, FORM)
    first.run(ADD, 1)
    await assertClosed()
    first.close()
    await chmod(file, 0o644)
    const second = new MessageFile(file, FORM)
    second.run(ADD, 2)
    await assertClosed()
    second.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
