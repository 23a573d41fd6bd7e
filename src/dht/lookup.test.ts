import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Random, seededRandom, shuffled, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type Contact, closestTo, type DhtKey, dhtKey } from './key.ts'
import { Lookup, type LookupConfig, type Step } from './lookup.ts'
import { RoutingTable } from './table.ts'

const K = 20
const TABLE = {
  k: K,
  nearest: K,
  sitePeersMax: 3,
  siteBucketPeersMax: 2,
  failuresMax: 3,
  freshMs: 1,
}
const config: LookupConfig = { k: K, alpha: 5, paths: 8, questionsMax: 200 }

/** What peers answer: the truth of their own tables, lies, or nothing. */
interface World {
  readonly nodes: readonly Contact[]
  /** The answer of a peer; `undefined` when it does not answer. */
  ask(peer: PeerId, target: DhtKey): readonly Contact[] | undefined
}

function contacts(count: number, label: string): Contact[] {
  return Array.from({ length: count }, (_, i) => ({
    peer: `${label}${i}` as PeerId,
    key: dhtKey(utf8(`${label} ${i}`)),
  }))
}

/** A network in which every node has met every other, in an order of its own. */
function network(count: number, random: Random): World {
  const nodes = contacts(count, 'node')
  const tables = new Map(
    nodes.map((node) => {
      const table = new RoutingTable(node.key, TABLE)
      for (const other of shuffled(nodes, random)) table.seen(other, 0)
      return [node.peer, table]
    }),
  )
  return { nodes, ask: (peer, target) => tables.get(peer)?.closest(target, K) }
}

/** Runs a lookup to its end; answers come in an order of chance. */
function run(lookup: Lookup, target: DhtKey, world: World, random: Random) {
  const flying: Contact[] = []
  let questions = 0
  let most = 0
  const take = ({ ask }: Step) => {
    questions += ask.length
    flying.push(...ask)
    most = Math.max(most, flying.length)
  }
  let step = lookup.start()
  take(step)
  while (!step.done) {
    const [contact] = flying.splice(random.int(flying.length), 1)
    assert.ok(contact !== undefined, 'a lookup that is not done has somebody on the way')
    const closer = world.ask(contact.peer, target)
    step =
      closer === undefined ? lookup.failed(contact.peer) : lookup.answered(contact.peer, closer)
    take(step)
  }
  assert.equal(flying.length, 0)
  return { ...lookup.report(), questions, most }
}

/** The lookup of a node in `world` for a target that nobody chose. */
function lookFor(world: World, seed: string, options: Partial<LookupConfig> = {}) {
  const random = seededRandom(seed)
  const target = dhtKey(utf8(`target ${seed}`))
  const self = world.nodes[0]
  assert.ok(self !== undefined)
  const seeds = world.ask(self.peer, target) ?? []
  const lookup = new Lookup(target, self.peer, seeds, { ...config, ...options })
  const others = world.nodes.filter(({ peer }) => peer !== self.peer)
  return { ...run(lookup, target, world, random), target, others }
}

const peersOf = (all: readonly Contact[]) => all.map(({ peer }) => peer)
const honest = network(500, seededRandom('honest'))

for (const paths of [1, 2, 8]) {
  test(`${paths} paths find exactly the k closest of 500 nodes`, () => {
    for (let i = 0; i < 40; i += 1) {
      const { closest, target, others, complete, most, failed } = lookFor(honest, `${i}`, { paths })
      assert.deepEqual(peersOf(closest), peersOf(closestTo(target, others, K)))
      assert.ok(complete && failed.length === 0)
      assert.ok(most <= Math.max(8, 5 + paths))
    }
  })
}

test('8 paths ask fewer than 45 of 500 nodes on average', () => {
  const counts = Array.from({ length: 40 }, (_, i) => lookFor(honest, `count ${i}`).questions)
  assert.ok(counts.reduce((sum, count) => sum + count, 0) / counts.length < 45)
})

test('nobody is asked twice where everybody answers, and never ourselves', () => {
  const { asked, questions } = lookFor(honest, 'twice')
  assert.equal(new Set(asked).size, questions)
  assert.ok(!asked.includes('node0' as PeerId))
})

test('with a fifth of all nodes gone the k closest that live are found', () => {
  const random = seededRandom('gone')
  const gone = new Set(peersOf(shuffled(honest.nodes.slice(1), random).slice(0, 100)))
  const world: World = {
    nodes: honest.nodes.filter(({ peer }) => !gone.has(peer)),
    ask: (peer, target) => (gone.has(peer) ? undefined : honest.ask(peer, target)),
  }
  for (let i = 0; i < 20; i += 1) {
    const { closest, target, others, failed } = lookFor(world, `gone ${i}`)
    // Tables still name the dead, so the outermost of the k may be named by nobody.
    const truth = peersOf(closestTo(target, others, K))
    assert.deepEqual(peersOf(closest).slice(0, 10), truth.slice(0, 10))
    const right = peersOf(closest).filter((peer) => truth.includes(peer)).length
    assert.ok(right >= 15, `${right} of ${K}`)
    assert.ok(failed.every((peer) => gone.has(peer)))
  }
})

/** A fifth of all nodes answer with peers of their own making, closer than anybody real. */
function withLiars(share: number, seed: string): World {
  const random = seededRandom(seed)
  const count = Math.floor(share * honest.nodes.length)
  const liars = new Set(peersOf(shuffled(honest.nodes.slice(1), random).slice(0, count)))
  let made = 0
  const fake = (target: DhtKey): Contact => {
    made += 1
    const key = target.map((byte, i) => (i < 20 ? byte : byte ^ random.int(256))) as DhtKey
    return { peer: `fake${made}` as PeerId, key }
  }
  return {
    nodes: honest.nodes.filter(({ peer }) => !liars.has(peer)),
    ask: (peer, target) =>
      liars.has(peer) || peer.startsWith('fake')
        ? Array.from({ length: K }, () => fake(target))
        : honest.ask(peer, target),
  }
}

/** How many of 60 lookups get an answer from at least one of the true k closest. */
function reached(world: World, paths: number): number {
  return Array.from({ length: 60 }, (_, i) => {
    const { target, others, asked, questions } = lookFor(world, `liars ${i}`, { paths })
    assert.ok(questions <= config.questionsMax + 8 + K, 'liars cannot lead a lookup on for ever')
    const truth = new Set(peersOf(closestTo(target, others, K)))
    return asked.some((peer) => truth.has(peer))
  }).filter(Boolean).length
}

test('8 paths reach the truth through a fifth of liars, one path often does not', () => {
  const world = withLiars(0.2, 'fifth')
  const eight = reached(world, 8)
  assert.ok(eight >= 59, `${eight} of 60`)
  assert.ok(reached(world, 1) < eight)
})

test('what liars made up is not vouched for, and the true closest is asked beside it', () => {
  const world = withLiars(0.2, 'vouched')
  let reached = 0
  for (let i = 0; i < 40; i += 1) {
    const { target, others, answered, vouched, closest } = lookFor(world, `vouched ${i}`)
    const fakes = closest.filter(({ peer }) => peer.startsWith('fake')).length
    assert.ok(vouched.every(({ peer }) => !peer.startsWith('fake')))
    if (fakes > 0) assert.notDeepEqual(peersOf(vouched), peersOf(closest))
    const [nearest] = closestTo(target, others, 1)
    if (nearest !== undefined && answered.includes(nearest.peer)) reached += 1
  }
  assert.ok(reached >= 39, `${reached} of 40`)
})

test('those whom one path made up do not vouch for each other when they are swept', () => {
  const target = dhtKey(utf8('made up'))
  const near = (name: string, bytes: number): Contact => ({
    peer: name as PeerId,
    key: target.map((byte, i) => (i < bytes ? byte : byte ^ (name.length + i + 1))) as DhtKey,
  })
  const [friend, liar] = [near('friend', 1), near('liar', 1)]
  const fakes = Array.from({ length: K }, (_, i) => near(`fake${'x'.repeat(i)}`, 20))
  const truth = Array.from({ length: K }, (_, i) => near(`true${'x'.repeat(i)}`, 2))
  const isFalse = (peer: PeerId) => peer === liar.peer || peer.startsWith('fake')
  const world = { nodes: [], ask: (peer: PeerId) => (isFalse(peer) ? fakes : truth) }
  const two = { ...config, paths: 2 }
  const lookup = new Lookup(target, 'me' as PeerId, [friend, liar], two)
  run(lookup, target, world, seededRandom('made up'))
  const { closest, vouched } = lookup.report()
  assert.ok(closest.every(({ peer }) => peer.startsWith('fake')))
  assert.deepEqual(
    vouched.filter(({ peer }) => peer.startsWith('fake')),
    [],
  )
})

test('where nobody lies all that is found is vouched for, and nothing is asked for that', () => {
  for (let i = 0; i < 20; i += 1) {
    const { closest, vouched, hops } = lookFor(honest, `vouched ${i}`)
    const strangers = closest.filter(({ peer }) => !vouched.some((one) => one.peer === peer))
    assert.ok(strangers.length <= 1, 'the outermost may be named by one only')
    assert.ok(hops >= 1 && hops <= 4)
  }
})

test('the first path alone vouches for itself', () => {
  const { closest, vouched } = lookFor(honest, 'alone', { paths: 1 })
  assert.deepEqual(vouched, closest)
})

test('hops counts the answers on the way to the closest', () => {
  const target = dhtKey(utf8('x'))
  const [far, middle, near] = closestTo(target, contacts(3, 'hop'), 3).reverse()
  assert.ok(far !== undefined && middle !== undefined && near !== undefined)
  const lookup = new Lookup(target, 'me' as PeerId, [far], config)
  assert.equal(lookup.report().hops, 0)
  lookup.start()
  lookup.answered(far.peer, [middle])
  assert.equal(lookup.report().hops, 1)
  lookup.answered(middle.peer, [near])
  lookup.answered(near.peer, [far, middle])
  assert.equal(lookup.report().hops, 3)
})

test('unasked() tells who was heard of and not asked', () => {
  const target = dhtKey(utf8('x'))
  const sorted = closestTo(target, contacts(60, 'many'), 60)
  const [seed, ...rest] = sorted.toReversed()
  assert.ok(seed !== undefined)
  const lookup = new Lookup(target, 'me' as PeerId, [seed], config)
  lookup.start()
  const { ask } = lookup.answered(seed.peer, rest.slice(0, 20))
  const waiting = new Set(rest.slice(0, 20))
  for (const contact of ask) waiting.delete(contact)
  for (const contact of ask) lookup.answered(contact.peer, [])
  assert.ok(lookup.unasked().every((contact) => rest.includes(contact)))
  assert.equal(
    lookup.unasked().some((contact) => ask.includes(contact)),
    false,
  )
})

test('a liar that names the honest under dead addresses takes them from nobody', () => {
  // Whoever hears of an honest peer from the liar first cannot reach it; by others it can.
  const target = dhtKey(utf8('victim'))
  const near = closestTo(target, honest.nodes.slice(1), K)
  const liar: Contact = { peer: 'liar' as PeerId, key: dhtKey(utf8('liar')) }
  const seeds = [liar, ...closestTo(target, honest.nodes.slice(100), 8)]
  const lookup = new Lookup(target, 'node0' as PeerId, seeds, config)
  const paths = new Map<PeerId, number>()
  const world: World = {
    nodes: honest.nodes,
    ask(peer, place) {
      if (peer === 'liar') return near
      const tries = (paths.get(peer) ?? 0) + 1
      paths.set(peer, tries)
      const named = near.some((one) => one.peer === peer)
      return named && tries === 1 ? undefined : honest.ask(peer, place)
    },
  }
  const { asked, closest } = run(lookup, target, world, seededRandom('victim'))
  const truth = new Set(peersOf(near))
  assert.ok(asked.filter((peer) => truth.has(peer)).length >= 10)
  assert.ok(closest.filter(({ peer }) => truth.has(peer)).length >= 8)
})

test('a lookup with nobody to ask is done at once, and says that it asked nobody', () => {
  const lookup = new Lookup(dhtKey(utf8('x')), 'me' as PeerId, [], config)
  assert.deepEqual(lookup.start(), { ask: [], done: true })
  assert.deepEqual(lookup.report(), {
    closest: [],
    vouched: [],
    asked: [],
    answered: [],
    failed: [],
    hops: 0,
    complete: false,
  })
})

test('answers nobody waits for change nothing', () => {
  const [one, other] = contacts(2, 'p')
  assert.ok(one !== undefined && other !== undefined)
  const lookup = new Lookup(dhtKey(utf8('x')), 'me' as PeerId, [one], config)
  lookup.start()
  assert.deepEqual(lookup.answered(other.peer, [other]), { ask: [], done: false })
  assert.ok(lookup.answered(one.peer, []).done)
  assert.deepEqual(lookup.answered(one.peer, [other]), { ask: [], done: true })
  assert.deepEqual(lookup.report().answered, [one.peer])
})

test('report() counts whoever has not answered yet as failed, and is not complete', () => {
  const all = contacts(8, 'p')
  const lookup = new Lookup(dhtKey(utf8('x')), 'me' as PeerId, all, config)
  const { ask } = lookup.start()
  const first = ask[0]
  assert.ok(first !== undefined)
  lookup.answered(first.peer, [])
  const { answered, failed, complete } = lookup.report()
  assert.deepEqual(answered, [first.peer])
  assert.equal(failed.length, 7)
  assert.equal(complete, false)
})

test('only the first k names of an answer are heard', () => {
  const [seed, ...rest] = contacts(100, 'p')
  assert.ok(seed !== undefined)
  const lookup = new Lookup(dhtKey(utf8('x')), 'me' as PeerId, [seed], { ...config, alpha: 20 })
  lookup.start()
  const { ask } = lookup.answered(seed.peer, rest)
  assert.deepEqual(new Set(peersOf(ask)), new Set(peersOf(rest.slice(0, K))))
})

test('every small network is asked whole, whoever fails', () => {
  fc.assert(
    fc.property(
      fc.nat(12),
      fc.nat(0xffff),
      fc.integer({ min: 1, max: 8 }),
      (count, dead, paths) => {
        const nodes = contacts(count, 'small')
        const gone = (peer: PeerId) => ((dead >> Number(peer.slice(5))) & 1) === 1
        const world: World = { nodes, ask: (peer) => (gone(peer) ? undefined : nodes) }
        const target = dhtKey(utf8(`t${dead}`))
        const lookup = new Lookup(target, 'me' as PeerId, nodes, { ...config, paths })
        const { answered, failed, complete } = run(lookup, target, world, seededRandom(`${dead}`))
        assert.equal(complete, count > 0)
        assert.deepEqual(new Set(failed), new Set(peersOf(nodes).filter(gone)))
        assert.equal(answered.length + failed.length, count)
      },
    ),
  )
})
