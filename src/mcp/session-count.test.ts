import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { ALICE, BOB } from '../../test/support/mcp-fixture.ts'
import { pipePair } from './pipe.ts'
import { SessionCount } from './session-count.ts'

const open = async () => pipePair()[0]

test('a service has no more sessions than its limit, and closing makes room once', async () => {
  const count = new SessionCount('s', 2)
  const first = await count.open(ALICE, open)
  await count.open(BOB, open)
  await assert.rejects(count.open(BOB, open), coded('MCP_SESSIONS_FULL'))
  await first.close()
  await first.close()
  first.abort(new Error('again'))
  await count.open(BOB, open)
  await assert.rejects(count.open(BOB, open), coded('MCP_SESSIONS_FULL'))
})

test('one peer cannot have all sessions', async () => {
  const count = new SessionCount('s', 32)
  for (let i = 0; i < 8; i += 1) await count.open(ALICE, open)
  await assert.rejects(count.open(ALICE, open), coded('MCP_SESSIONS_FULL'))
  await count.open(BOB, open)
})

test('a session that could not be opened does not count, one that opens does', async () => {
  const count = new SessionCount('s', 1)
  await assert.rejects(
    count.open(ALICE, () => Promise.reject(new Error('no'))),
    /no/,
  )
  const opening = count.open(ALICE, open)
  await assert.rejects(count.open(BOB, open), coded('MCP_SESSIONS_FULL'))
  await opening
  await count.closeAll()
})

test('what comes up while the service is withdrawn is ended with it', async () => {
  const sessions = new SessionCount('files', 8)
  const [pipe, far] = pipePair()
  const started = Promise.withResolvers<typeof pipe>()
  const opened = sessions.open(ALICE, () => started.promise)
  const refused = assert.rejects(opened, coded('MCP_SERVICE_NOT_READY'))
  const closed = sessions.closeAll()
  started.resolve(pipe)
  await Promise.all([refused, closed])
  assert.equal(await far.read(), undefined)
  await assert.rejects(
    sessions.open(ALICE, async () => assert.fail('nothing is started')),
    coded('MCP_SERVICE_NOT_READY'),
  )
})
