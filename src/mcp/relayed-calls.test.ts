import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  ALICE,
  BOB,
  CAROL,
  DAVE,
  NETWORK,
  noPath,
  SERVICE,
  type Trio,
  trio,
} from '../../test/support/relay-trio.ts'
import { AccessError } from '../access/index.ts'
import { CodedError, compareBytes, seededRandom, systemClock } from '../base/index.ts'
import type { Channel, Host } from '../net/index.ts'
import { sealEnvelope } from './envelope.ts'
import { McpError } from './errors.ts'
import { peerDistance } from './ranking.ts'
import { encodeNo, relayProtocol } from './relay-protocol.ts'
import type { CallResult } from './tool.ts'

const SUM = { a: 2, b: 40 }
const textOf = ({ content }: Pick<CallResult, 'content'>) => (content[0] as { text: string }).text
const codesOf = (error: unknown) => {
  assert.ok(error instanceof CodedError, String(error))
  return (error.facts as { attempts: readonly { code: string }[] }).attempts.map(({ code }) => code)
}

/** Carries as Bob should, but for what `bend` makes of each frame of the call and the answer. */
function carrier(bend: { call?: Bend; answer?: Bend; after?: After }) {
  return async (channel: Channel, host: Pick<Host, 'open'>): Promise<void> => {
    const onward = await host.open(CAROL.peer, relayProtocol(NETWORK))
    await onward.write((await channel.read()) ?? new Uint8Array())
    await channel.write((await onward.read()) ?? new Uint8Array())
    const call = (await channel.read()) ?? new Uint8Array()
    await onward.write(bend.call?.(call) ?? call)
    const answer = await onward.read()
    const passed = answer && (bend.answer === undefined ? answer : bend.answer(answer))
    await bend.after?.(call, host)
    if (passed !== undefined) await channel.write(passed)
    await channel.close()
  }
}
type Bend = (frame: Uint8Array) => Uint8Array | undefined
type After = (call: Uint8Array, host: Pick<Host, 'open'>) => Promise<void>

const turned: Bend = (frame) => {
  const bytes = Uint8Array.from(frame)
  bytes[60] = (bytes[60] ?? 0) ^ 1
  return bytes
}

test('a call without a path is carried by a connected peer, and both pay for it', async () => {
  await using net = await trio()
  const result = await net.router.call('add', SUM, { explain: true })
  assert.equal(textOf(result), `42 for ${ALICE.peer}`)
  const [tried] = result.explain?.tried ?? []
  assert.deepEqual(
    [tried?.peer, tried?.path, tried?.via, tried?.code],
    [CAROL.peer, 'relayed', BOB.peer, 'ok'],
  )
  assert.ok(net.admitted.bob.every((peer) => peer === ALICE.peer) && net.admitted.bob.length === 1)
  assert.equal(net.admitted.carol.filter((peer) => peer === BOB.peer).length, 1)
  assert.ok(net.admitted.carol.includes(ALICE.peer))
})

test('what must run once does, and a lost answer is asked for by its key', async () => {
  let calls = 0
  const lossy = carrier({ answer: (frame) => (calls++ === 0 ? undefined : frame) })
  await using net = await trio({ bob: lossy })
  assert.equal(textOf(await net.router.call('count', {})), '1')
  assert.equal(net.ran.count, 1)
  assert.equal(calls, 2)
})

test('an answer that never comes leaves the outcome unknown, and nobody else is asked', async () => {
  await using net = await trio({
    knobs: { outcomeWaitMs: 300 },
    bob: carrier({ answer: () => undefined }),
  })
  await assert.rejects(net.router.call('count', {}), { code: 'MCP_OUTCOME_UNKNOWN' })
  assert.equal(net.ran.count, 1)
})

test('a relay that alters the call is refused, and the tool does not run', async () => {
  await using net = await trio({ bob: carrier({ call: turned }) })
  await assert.rejects(net.router.call('add', SUM), (error) => {
    assert.deepEqual(codesOf(error), ['MCP_RELAY_FAILED'])
    return /MCP_ENVELOPE_INVALID/.test(
      String((error as { cause?: { errors?: unknown[] } }).cause?.errors),
    )
  })
  assert.equal(net.ran.add, 0)
})

test('a relay that alters the answer is not believed', async () => {
  await using net = await trio({ bob: carrier({ answer: turned }) })
  await assert.rejects(net.router.call('add', SUM), (error) => {
    assert.deepEqual(codesOf(error), ['MCP_ENVELOPE_INVALID'])
    return true
  })
  await assert.rejects(net.router.call('count', {}, { timeoutMs: 1_000 }), (error) => {
    assert.ok(error instanceof CodedError)
    return ['MCP_OUTCOME_UNKNOWN', 'MCP_DEADLINE'].includes((error as CodedError).code)
  })
  assert.equal(net.ran.count, 1)
})

test('a relay that hands a call over again makes nothing run again', async () => {
  const said: string[] = []
  const again: After = async (call, host) => {
    const onward = await host.open(CAROL.peer, relayProtocol(NETWORK))
    await onward.write(Buffer.from(JSON.stringify({ to: CAROL.peer, bytes: call.length })))
    await onward.read()
    await onward.write(call)
    said.push(Buffer.from((await onward.read()) ?? []).toString())
  }
  await using net = await trio({ bob: carrier({ after: again }) })
  assert.equal(textOf(await net.router.call('count', {})), '1')
  assert.match(said.join(), /MCP_ENVELOPE_REPLAYED/)
  assert.equal(net.ran.count, 1)
})

test('that a relay cannot reach the callee ends nothing: the next closest is asked', async () => {
  const relays = [BOB, DAVE]
  const distance = ({ peer }: { readonly peer: typeof BOB.peer }) => peerDistance(CAROL.peer, peer)
  const order = relays.toSorted((a, b) => compareBytes(distance(a), distance(b)))
  const asked: string[] = []
  const bob = async (channel: Channel) => {
    asked.push('bob')
    await channel.read()
    await channel.write(encodeNo(new CodedError('NET_GONE', {}, { says: () => 'not there' })))
    await channel.close()
  }
  await using net = await trio({ relays, bob })
  assert.match(textOf(await net.router.call('add', SUM)), /^42/)
  assert.equal(asked.length, order[0] === BOB ? 1 : 0)
  assert.match(textOf(await net.router.call('count', {})), /^1$/)
})

test('where calls through others are turned off, the error names the knob', async () => {
  await using net = await trio({ knobs: { relayCalls: false } })
  await assert.rejects(net.router.call('add', SUM), (error) => {
    assert.ok(error instanceof CodedError)
    assert.equal(error.code, 'MCP_RELAY_OFF')
    return /mcp\.relay_calls = true/.test(error.message)
  })
})

test('without anybody who carries, the call fails as it did', async () => {
  await using net = await trio({ relays: [] })
  await assert.rejects(net.router.call('add', SUM), (error) => {
    assert.deepEqual(codesOf(error), ['NET_CONNECT_FAILED'])
    return true
  })
})

test('a result that is too long is an answer: the tool ran, and it says what to do', async () => {
  await using net = await trio()
  assert.equal(textOf(await net.router.call('long', { kib: 900 })).length, 900 * 1024)
  await assert.rejects(
    net.router.call('long', { kib: 1_100 }),
    /MCP_RELAYED_TOO_LARGE.*the tool ran/,
  )
})

test('a call that is old, for somebody else, or forged is refused', async () => {
  await using net = await trio()
  const sentAtMs = systemClock.now() + 1
  const now = { method: 'tools/call', params: '{}', from: ALICE.peer, to: CAROL.peer, sentAtMs }
  const random = seededRandom('ids')
  const sealed = (over: Partial<typeof now>, signer = ALICE, network = NETWORK) =>
    sealEnvelope({ ...now, id: random.bytes(16), ...over }, signer, { network })
  const refused = async (bytes: Promise<Uint8Array>, code: string) => {
    const whole = await bytes
    assert.throws(() => net.server.check(whole, BOB.peer), { code })
  }
  await refused(sealed({ sentAtMs: sentAtMs - 130_000 }), 'MCP_ENVELOPE_STALE')
  await refused(sealed({ sentAtMs: sentAtMs + 130_000 }), 'MCP_ENVELOPE_STALE')
  await refused(sealed({ to: BOB.peer }), 'MCP_ENVELOPE_INVALID')
  await refused(sealed({}, BOB), 'MCP_ENVELOPE_INVALID')
  await refused(sealed({}, ALICE, 'other'), 'MCP_ENVELOPE_INVALID')
  const once = await sealed({})
  assert.equal(net.server.check(once, BOB.peer).from, ALICE.peer)
  assert.throws(() => net.server.check(once, BOB.peer), { code: 'MCP_ENVELOPE_REPLAYED' })
})

test('a relayed call without a key, or of anything but a tool, is refused', async () => {
  await using net = await trio()
  const meta = { 'p2p-foundation/service': SERVICE }
  const params = { name: 'add', arguments: SUM, _meta: meta }
  assert.match(
    await answerTo(net, 'tools/call', params),
    /MCP_REQUEST_INVALID.*p2p-foundation\/key/,
  )
  assert.match(await answerTo(net, 'resources/list', {}), /no call of a tool/)
  assert.equal(net.ran.add, 0)
})

test('the list of tools that a call is held to comes the same way, and the call waits for it', async () => {
  await using net = await trio()
  const { signal } = new AbortController()
  const none = await Promise.try(() => noPath(CAROL.peer)).catch((error: unknown) => error)
  const tools = await net.relayed.listTools(CAROL.peer, SERVICE, { signal }, none)
  const known = net.services.get(SERVICE)?.tools ?? []
  assert.deepEqual(tools, known)
  assert.deepEqual(
    tools.map(({ name, idempotent }) => [name, idempotent]),
    [
      ['add', true],
      ['count', false],
      ['long', true],
    ],
  )
})

test('what a call is held to is not left out because there is no path', async () => {
  await using net = await trio({ check: async () => noPath(CAROL.peer) })
  await assert.rejects(net.router.call('add', SUM), { code: 'MCP_TOOL_UNAVAILABLE' })
  assert.equal(net.ran.add, 0)
})

test('what failed for anything but a path is neither carried nor looked at again', async () => {
  let checks = 0
  const check = async () => {
    checks += 1
    if (checks > 1) noPath(CAROL.peer)
  }
  const direct = async () => {
    throw McpError.TOOL_ERROR({ tool: 'count', rpcCode: -1, message: 'it ran, and failed' })
  }
  await using net = await trio({ check, direct })
  await assert.rejects(net.router.call('count', {}), { code: 'MCP_TOOL_ERROR' })
  assert.deepEqual([checks, net.ran.count, net.admitted.bob.length], [1, 0, 0])
})

test('a peer that is refused here is not called through others either', async () => {
  const admit = () => {
    throw AccessError.DENIED({ peer: CAROL.peer, action: 'mcp.call', missing: 'it is blocked' })
  }
  await using net = await trio({ admit })
  await assert.rejects(net.router.call('add', SUM), { code: 'MCP_TOOL_UNAVAILABLE' })
  assert.equal(net.ran.add, 0)
})

test('a relay that leaves ends nothing: the tool goes on to its end, and is asked for', async () => {
  const done = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  const leaves = async (channel: Channel, host: Pick<Host, 'open'>) => {
    const onward = await host.open(CAROL.peer, relayProtocol(NETWORK))
    await onward.write((await channel.read()) ?? new Uint8Array())
    await channel.write((await onward.read()) ?? new Uint8Array())
    await onward.write((await channel.read()) ?? new Uint8Array())
    await began.promise
    for (const each of [onward, channel]) each.abort(new Error('gone'))
    done.resolve()
  }
  let streams = 0
  const whole = carrier({})
  const bob: typeof leaves = (...each) => (streams++ === 0 ? leaves(...each) : whole(...each))
  await using net = await trio({ bob, hold: done.promise })
  const called = net.router.call('count', {})
  while (net.ran.count === 0) await setImmediate()
  began.resolve()
  assert.equal(textOf(await called), '1')
  assert.equal(net.ran.count, 1)
})

/** What Carol says, where Alice brings her call herself. */
async function answerTo(net: Trio, method: string, params: object): Promise<string> {
  const id = seededRandom(method).bytes(16)
  const said = { method, params: JSON.stringify(params), from: ALICE.peer, to: CAROL.peer }
  const sentAtMs = systemClock.now() + 1
  const bytes = await sealEnvelope({ ...said, id, sentAtMs }, ALICE, { network: NETWORK })
  const channel = await net.net.host(ALICE.peer).open(CAROL.peer, relayProtocol(NETWORK))
  await channel.write(Buffer.from(JSON.stringify({ to: CAROL.peer, bytes: bytes.length })))
  await channel.read()
  await channel.write(bytes)
  const answer = await channel.read()
  return Buffer.from(answer ?? []).toString()
}
