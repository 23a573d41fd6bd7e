import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { testPeer } from '../../test/support/mcp-directory.ts'
import { fromUtf8, utf8 } from '../base/index.ts'
import { allowOf, allows, isPublic, opensTo, PUBLIC, readExposure } from './exposure.ts'
import { withoutRights } from './exposure-meta.ts'
import { onBehalfOf, servedNow } from './on-behalf.ts'

const [alice, bob] = [testPeer(1), testPeer(2)]

test('readExposure() reads what was written, and refuses all else', () => {
  const exposure = { allow: 'granted', tools: { echo: 'public', add: [alice] } } as const
  assert.deepEqual(readExposure(exposure), exposure)
  assert.deepEqual(readExposure({ allow: [] }), { allow: [] })
  const bad = [
    undefined,
    'public',
    {},
    { allow: 'everybody' },
    { allow: ['nobody'] },
    { allow: 'public', tools: { 'no name': 'public' } },
    { allow: 'public', tools: { echo: 1 } },
    { allow: 'public', extra: 1 },
  ]
  for (const value of bad) {
    assert.throws(() => readExposure(value), coded('MCP_SERVICE_INVALID'), JSON.stringify(value))
  }
})

test('a tool is as its service is, unless it is named', () => {
  const exposure = { allow: 'granted', tools: { echo: 'public' } } as const
  assert.equal(allowOf(exposure, 'add'), 'granted')
  assert.equal(allowOf(exposure, 'echo'), 'public')
  assert.equal(allowOf(exposure, 'constructor'), 'granted')
  assert.equal(isPublic(exposure), false)
  assert.equal(isPublic(PUBLIC), true)
  assert.equal(opensTo(exposure, [alice]), true)
  assert.equal(opensTo({ allow: 'granted' }, [alice]), false)
})

test('a list of peers is for those alone, and for all of them together', () => {
  assert.equal(allows([alice], [alice]), true)
  assert.equal(allows([alice], [alice, bob]), false)
  assert.equal(allows([], [alice]), false)
})

test("somebody else's server is not shown our tokens, chain and key", () => {
  const meta = {
    'p2p-foundation/grant': ['t'],
    'p2p-foundation/chain': [alice],
    'p2p-foundation/key': 'k'.repeat(16),
    progressToken: 1,
  }
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'a', _meta: meta } }
  const written = JSON.stringify(call)
  // Some writers of JSON escape every slash, and any letter may be.
  const escaped = [written.replaceAll('/', '\\/'), written.replaceAll('p2p-', '\\u0070\\u0032p-')]
  for (const frame of [written, ...escaped]) {
    const text = fromUtf8(withoutRights(utf8(frame)))
    assert.deepEqual((JSON.parse(text) as typeof call).params, {
      name: 'a',
      _meta: { progressToken: 1 },
    })
  }
  const plain = utf8('{"jsonrpc":"2.0","id":1,"method":"ping"}')
  assert.equal(withoutRights(plain), plain)
})

test('whoever is served is known to all that is called meanwhile, and to nothing else', async () => {
  const served = { peer: alice, chain: [], tokens: [] }
  await onBehalfOf(served, async () => {
    await Promise.resolve()
    assert.equal(servedNow(), served)
  })
  assert.equal(servedNow(), undefined)
})
