import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom, silentLog } from '../base/index.ts'
import { type PeerId, signerFromSeed } from '../identity/index.ts'
import { Mdns } from './mdns.ts'
import type { Arrival, Link, Links } from './mdns-links.ts'
import { decodeMessage, encodeAnswers, encodeQuery, serviceName } from './mdns-records.ts'

const idOf = (seed: number): PeerId => signerFromSeed(new Uint8Array(32).fill(seed)).peer
const self = idOf(1)
const other = idOf(2)
const SERVICE = serviceName('main')
const OTHER_ADDRESS = `/ip4/10.0.0.2/tcp/9000/p2p/${other}`
const otherAnswer = encodeAnswers(SERVICE, 'other', [OTHER_ADDRESS])[0] ?? assert.fail()

const linkTo = (zone: string, address: string): Link => {
  return { id: zone, zone, family: 4, address, prefixBits: 24, addresses: [address] }
}
const eth0 = linkTo('eth0', '10.0.0.1')
const lo = linkTo('lo', '127.0.0.1')

/** Mdns over sockets that only note what is sent; `present` is what a rescan would see. */
function setup(present: Link[] = [eth0]) {
  const clock = new FakeClock()
  const sent: string[] = []
  const found: (readonly [PeerId, readonly string[]])[] = []
  const own = { addresses: [`/ip4/10.0.0.1/tcp/9000/p2p/${self}`] }
  const state = { failure: undefined as Error | undefined, closed: false }
  let open: readonly Link[] = []
  let receive: (arrival: Arrival) => void = () => assert.fail('not started')
  const links: Links = {
    async rescan() {
      const fresh = present.filter((link) => !open.includes(link))
      open = [...present]
      return fresh
    },
    get open() {
      return open
    },
    get failure() {
      return state.failure
    },
    send: (link, bytes) => sent.push(`${link.zone}: ${textOf(bytes)}`),
    close: () => {
      state.closed = true
    },
  }
  const mdns = new Mdns(
    {
      self,
      addresses: () => own.addresses,
      found: (peer, addresses) => found.push([peer, addresses]),
      clock,
      random: seededRandom('mdns'),
      log: silentLog,
      openLinks: (deps) => {
        receive = deps.receive
        return links
      },
    },
    { network: 'main', queryIntervalMs: 60_000, rescanMs: 3_000 },
  )
  const arrive = (bytes: Uint8Array, facts: Partial<Arrival> = {}) => {
    receive({ bytes, link: eth0, source: '10.0.0.2', port: 5353, ownHost: false, ...facts })
  }
  return { mdns, clock, sent, found, own, state, arrive }
}

function textOf(bytes: Uint8Array): string {
  const message = decodeMessage(bytes, SERVICE)
  if (message?.kind !== 'answer') return 'query'
  return `answer ${message.announced.map(({ ip }) => ip).join(' ')}`
}

test('start() asks at once, after one second and after three, and announces twice', async () => {
  const { mdns, clock, sent } = setup()
  await mdns.start()
  await clock.advance(0)
  assert.deepEqual(sent.splice(0), ['eth0: query'])
  await clock.advance(500)
  assert.deepEqual(sent.splice(0), ['eth0: answer 10.0.0.1'])
  await clock.advance(1_499)
  assert.deepEqual(sent.splice(0), ['eth0: query', 'eth0: answer 10.0.0.1'])
  await clock.advance(10_000)
  assert.deepEqual(sent.splice(0), ['eth0: query'])
  await clock.advance(48_001)
  assert.deepEqual(sent.splice(0), ['eth0: query'])
  await mdns.stop()
})

test('a query is answered soon, and many queries once a second', async () => {
  const { mdns, clock, sent, arrive } = setup()
  await mdns.start()
  await clock.advance(10_000)
  sent.length = 0
  const query = encodeQuery(SERVICE)
  arrive(query)
  assert.deepEqual(sent, [])
  await clock.advance(120)
  assert.deepEqual(sent.splice(0), ['eth0: answer 10.0.0.1'])
  for (let i = 0; i < 1_000; i += 1) arrive(query)
  await clock.advance(850)
  assert.deepEqual(sent, [])
  await clock.advance(5_000)
  assert.deepEqual(sent, ['eth0: answer 10.0.0.1'])
  await mdns.stop()
})

test('an answer names a candidate, each time that its record has ended', async () => {
  const { mdns, clock, found, arrive } = setup()
  await mdns.start()
  arrive(otherAnswer)
  arrive(otherAnswer)
  assert.deepEqual(found.splice(0), [[other, [OTHER_ADDRESS]]])
  await clock.advance(120_001)
  arrive(otherAnswer)
  assert.equal(found.length, 1)
  await mdns.stop()
})

test('an answer that does not come from the mDNS port is ignored', async () => {
  const { mdns, found, arrive } = setup()
  await mdns.start()
  arrive(otherAnswer, { port: 40_000 })
  assert.deepEqual(found, [])
  await mdns.stop()
})

test('each link is told its own addresses only, and no public ones', async () => {
  const { mdns, clock, sent, own } = setup([eth0, lo, linkTo('ppp0', '8.8.8.8')])
  own.addresses = ['10.0.0.1', '127.0.0.1', '172.17.0.1', '8.8.8.8'].map(
    (ip) => `/ip4/${ip}/tcp/9000/p2p/${self}`,
  )
  await mdns.start()
  await clock.advance(500)
  const answers = sent.filter((line) => line.includes('answer')).sort()
  assert.deepEqual(answers, ['eth0: answer 10.0.0.1', 'lo: answer 127.0.0.1'])
  await mdns.stop()
})

test('addresses that change are announced', async () => {
  const { mdns, clock, sent, own } = setup()
  own.addresses = []
  await mdns.start()
  await clock.advance(10_000)
  assert.ok(!sent.some((line) => line.includes('answer')))
  own.addresses = [`/ip4/10.0.0.1/tcp/9000/p2p/${self}`]
  await clock.advance(3_500)
  assert.deepEqual(sent.at(-1), 'eth0: answer 10.0.0.1')
  await mdns.stop()
})

test('a link that comes later is greeted like the first', async () => {
  const present = [eth0]
  const { mdns, clock, sent } = setup(present)
  await mdns.start()
  await clock.advance(20_000)
  sent.length = 0
  present.push(lo)
  await clock.advance(7_000)
  assert.equal(sent.filter((line) => line === 'lo: query').length, 3)
  await mdns.stop()
})

test('status() tells why there is no mDNS, and what would help', async () => {
  const present: Link[] = []
  const { mdns, state, clock } = setup(present)
  assert.equal(mdns.status().state, 'off')
  await mdns.start()
  assert.match(mdns.status().reason ?? '', /no network interface/)
  state.failure = Object.assign(new RangeError('bind EADDRINUSE'), {})
  assert.match(mdns.status().reason ?? '', /5353 gives bind EADDRINUSE/)
  present.push(eth0)
  await clock.advance(3_000)
  assert.equal(mdns.status().state, 'active')
  await mdns.stop()
})

test('stop() leaves nothing behind', async () => {
  const { mdns, clock, state, arrive } = setup()
  await mdns.start()
  arrive(encodeQuery(SERVICE))
  await mdns.stop()
  await clock.advance(0)
  assert.equal(clock.waiting, 0)
  assert.ok(state.closed)
  await mdns.stop()
})
