/** What goes wrong after the tool has answered is the end of the call, whatever its code says. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { testPeer } from '../../test/support/mcp-directory.ts'
import { channelPair } from '../../test/support/mcp-fixture.ts'
import { Registry, seededRandom, silentLog } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Channel } from '../net/index.ts'
import { mcpConfig } from './config.ts'
import { McpError } from './errors.ts'
import { mcpMetrics } from './metrics.ts'
import { encodeMessage, parseFrame } from './protocol.ts'
import type { OnLarge, ResultReader } from './result-reader.ts'
import { Router } from './router.ts'
import { Scores } from './scores.ts'
import { Sessions } from './session.ts'

const SELF = testPeer(100)
const PEERS = [testPeer(1), testPeer(2)]
const DISCOVERED = {
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  resultType: 'complete',
  ttlMs: 0,
  cacheScope: 'private',
}
const ANSWER = { content: [{ type: 'text', text: 'see elsewhere' }], resultType: 'complete' }

/** A router over sessions with two peers, whose answers are read by `whole`. */
async function setup(whole: ResultReader['whole'], idempotent: boolean) {
  const clock = new FakeClock()
  const scores = new Scores(clock)
  const ran: PeerId[] = []
  const serve = async (channel: Channel, peer: PeerId) => {
    for (let frame = await channel.read(); frame !== undefined; frame = await channel.read()) {
      const { id, method } = parseFrame(frame)
      if (id === undefined) continue
      if (method === 'tools/call') ran.push(peer)
      const result = method === 'server/discover' ? DISCOVERED : ANSWER
      await channel.write(encodeMessage({ jsonrpc: '2.0', id, result }))
    }
    await channel.close()
  }
  const host = {
    self: SELF,
    connections: () => [],
    ping: async () => 1,
    open: async (peer: PeerId) => {
      const [near, far] = channelPair(SELF, peer)
      serve(far, peer).catch(() => {})
      return near
    },
  }
  const entries = PEERS.map((peer) => {
    return { tool: 'echo', service: 's', peer, description: '', idempotent }
  })
  const found = { entries, services: [], asked: 2, failed: [], cached: false }
  const metrics = mcpMetrics(new Registry())
  const room = { host, scores, clock, log: silentLog, metrics }
  const config = mcpConfig.parse({})
  const sessions = new Sessions({ ...room, network: 'test', whole }, config)
  await sessions.start()
  const deps = {
    ...room,
    sessions,
    directory: { lookup: async () => found, find: async () => found, forget: () => undefined },
    outcomes: { settle: async () => assert.fail('it has answered: nobody is asked again') },
    local: { callTool: () => assert.fail('not here') },
    random: seededRandom('whole'),
  }
  const failures = () => PEERS.map((peer) => scores.get(peer)?.failures ?? 0)
  return { router: new Router(deps, config), sessions, ran, failures }
}

const MiB = 1_048_576
const large = (peer: PeerId) => ({ peer, bytes: MiB, sha256: '', parts: (async function* () {})() })
const hands: ResultReader['whole'] = async ({ peer }, result, { onlarge }) => {
  await onlarge?.(large(peer))
  return result
}
const refuses: OnLarge = ({ bytes }) => {
  throw new TypeError(`${bytes} bytes are more than fits`)
}

for (const idempotent of [true, false]) {
  const which = idempotent ? 'idempotent' : 'not idempotent'

  test(`what its caller refuses of an answer is asked of nobody else: ${which}`, async () => {
    const { router, sessions, ran, failures } = await setup(hands, idempotent)
    await assert.rejects(router.call('echo', {}, { onlarge: refuses }), TypeError)
    assert.equal(ran.length, 1)
    assert.deepEqual(failures(), [0, 0], 'and its peer has done nothing wrong')
    await sessions.stop()
  })

  test(`an answer that cannot be read has run its tool all the same: ${which}`, async () => {
    const invalid = async () => {
      throw McpError.REQUEST_INVALID({ found: 'a result of no form' })
    }
    const { router, sessions, ran } = await setup(invalid, idempotent)
    await assert.rejects(router.call('echo', {}), coded('MCP_REQUEST_INVALID'))
    assert.equal(ran.length, 1)
    await sessions.stop()
  })
}
