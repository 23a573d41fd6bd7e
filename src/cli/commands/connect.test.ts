import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALICE, BOB, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { SERVED_STATUS } from '../../../test/support/served-node.ts'
import { CodedError } from '../../base/index.ts'
import { connect } from './connect.ts'

test('connect hands the target on and prints who answered', async () => {
  const targets: string[] = []
  const node = {
    async connect(target: string) {
      targets.push(target)
      return BOB
    },
  }
  const { context, printed, seen } = setup({ args: ['/ip4/1.2.3.4/tcp/9'], node, json: true })
  await connect.run(context)
  assert.deepEqual(targets, ['/ip4/1.2.3.4/tcp/9'])
  assert.deepEqual(printed(), { peer: BOB })
  assert.equal(seen.closed, 1)
})

test('connect refuses no target before it connects', async () => {
  const { context, seen } = setup({ args: [] })
  await assert.rejects(connect.run(context), coded('CLI_USAGE'))
  assert.equal(seen.connects, 0)
})

for (const [raised, wanted] of [
  ['NET_ADDRESS_INVALID', 'CLI_USAGE'],
  ['IP_WORD_UNKNOWN', 'CLI_USAGE'],
  ['IP_WORDS_COUNT', 'CLI_USAGE'],
  ['NET_CONNECT_FAILED', 'NET_CONNECT_FAILED'],
] as const) {
  test(`connect answers ${wanted} where the node says ${raised}`, async () => {
    const node = {
      connect: () => Promise.reject(new CodedError(raised, {}, { says: () => 'what was found' })),
    }
    const { context, seen } = setup({ args: ['/nonsense'], node })
    await assert.rejects(connect.run(context), coded(wanted))
    assert.equal(seen.closed, 1)
  })
}

for (const [args, options, target] of [
  [['Ache', 'accrue', 'ace'], {}, 'Ache accrue ace'],
  [['ache accrue ace'], { peer: BOB }, `ache accrue ace/p2p/${BOB}`],
  [['/ip4/1.2.3.4/tcp/9'], { peer: BOB }, `/ip4/1.2.3.4/tcp/9/p2p/${BOB}`],
  [[`/ip4/1.2.3.4/tcp/9/p2p/${BOB}`], { peer: BOB }, `/ip4/1.2.3.4/tcp/9/p2p/${BOB}`],
  [[BOB], { peer: BOB }, BOB],
] as const) {
  test(`connect ${args.join(' ')} dials ${target}`, async () => {
    const targets: string[] = []
    const node = {
      async connect(given: string) {
        targets.push(given)
        return BOB
      },
    }
    await connect.run(setup({ args, options, node }).context)
    assert.deepEqual(targets, [target])
  })
}

test('connect refuses --peer that is none, or another than the target names', async () => {
  for (const [args, peer] of [
    [['ache', 'accrue', 'ace'], 'bob'],
    [[BOB], ALICE],
    [[`/ip4/1.2.3.4/tcp/9/p2p/${BOB}`], ALICE],
  ] as const) {
    const { context, seen } = setup({ args, options: { peer } })
    await assert.rejects(connect.run(context), coded('CLI_USAGE'))
    assert.equal(seen.connects, 0)
  }
})

const link = { address: '/ip4/1.2.3.4/tcp/9', direction: 'outbound', transport: 'tcp' } as const
const about = {
  status: async () => SERVED_STATUS,
  peers: async () => [
    {
      peer: BOB,
      connections: [{ ...link, path: 'direct' as const, openedAtMs: 0, streams: 1 }],
      protocols: [],
    },
  ],
}

test('connect --explain says over which path the peer is connected', async () => {
  const node = { ...about, connect: async () => BOB }
  const options = { explain: true }
  const { context, printed } = setup({ args: [BOB], options, node, json: true })
  await connect.run(context)
  const found = printed() as Record<string, unknown>
  assert.equal(found.connected, true)
  assert.match(JSON.stringify(found.connections), /"path":"direct"/)
  const shown = setup({ args: [BOB], options, node })
  await connect.run(shown.context)
  assert.match(
    shown.stdout.text,
    /Connected to .* in 0 ms\nPaths:\n {2}- direct over tcp, outbound/,
  )
})

test('connect --explain says what was tried, and then fails as it would without', async () => {
  const tried = [{ address: '/ip4/1.2.3.4/tcp/9', reason: 'connect ECONNREFUSED', tookMs: 12 }]
  const facts = { target: BOB, tried }
  const node = {
    ...about,
    connect: () =>
      Promise.reject(new CodedError('NET_CONNECT_FAILED', facts, { says: () => 'no' })),
  }
  const options = { explain: true }
  const { context, stdout } = setup({ args: [BOB], options, node })
  await assert.rejects(connect.run(context), coded('NET_CONNECT_FAILED'))
  assert.match(
    stdout.text,
    /Tried in vain:\n {2}- \/ip4\/1\.2\.3\.4\/tcp\/9: connect ECONNREFUSED, after 12 ms/,
  )
  assert.match(stdout.text, /What would help:\n {2}- nothing listens at that port/)
})

/** A node at which `peers` claim the name. */
function named(peers: readonly (typeof ALICE)[], more = false) {
  const asked: string[] = []
  const node = {
    async nameFind(name: string) {
      const claims = peers.map((peer) => ({ peer }))
      return { name, claims, more, answered: [BOB], failed: [], complete: true }
    },
    async connect(target: string) {
      asked.push(target)
      return target as typeof ALICE
    },
  }
  return { node, asked }
}

test('connect to a name dials who claims it: unverified, until the handshake proved the key', async () => {
  const { node, asked } = named([ALICE])
  const { context, stdout, stderr } = setup({ args: ['alice'], node })
  await connect.run(context)
  assert.deepEqual(asked, [ALICE])
  assert.match(stderr.text, new RegExp(`${ALICE} unverified`))
  assert.match(stdout.text, /has the key that claims "alice"/)
  assert.match(stdout.text, /only its peer id says/)
})

test('connect to a name that several claim warns, and dials only who --peer says', async () => {
  const several = named([ALICE, BOB])
  const unsaid = setup({ args: ['alice'], node: several.node })
  await assert.rejects(connect.run(unsaid.context), (error: Error) => {
    return (
      coded('CLI_NAME_AMBIGUOUS')(error) && [ALICE, BOB].every((one) => error.message.includes(one))
    )
  })
  assert.deepEqual(several.asked, [])
  const said = setup({ args: ['alice'], options: { peer: BOB }, node: several.node, json: true })
  await connect.run(said.context)
  assert.deepEqual(several.asked, [BOB])
  assert.deepEqual(said.printed(), {
    peer: BOB,
    name: 'alice',
    claims: [
      { peer: ALICE, verified: false },
      { peer: BOB, verified: true },
    ],
  })
})

test('connect to a name refuses a claimant among more than were looked at, and one that is none', async () => {
  const crowd = setup({ args: ['alice'], node: named([ALICE], true).node })
  await assert.rejects(connect.run(crowd.context), coded('CLI_NAME_AMBIGUOUS'))
  const other = setup({ args: ['alice'], options: { peer: BOB }, node: named([ALICE]).node })
  await assert.rejects(connect.run(other.context), coded('CLI_NAME_UNCLAIMED'))
  const nobody = setup({ args: ['alice'], node: named([]).node })
  await assert.rejects(connect.run(nobody.context), coded('CLI_NAME_NOT_FOUND'))
})
