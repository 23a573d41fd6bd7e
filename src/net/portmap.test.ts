/** The mapper and its sessions, with routers as object literals and time that the test moves. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { race, silentLog } from '../base/index.ts'
import { NetError } from './errors.ts'
import { PortMapper } from './portmap.ts'
import type {
  ListenedPort,
  MappingProtocol,
  OpenPortClient,
  PortGrant,
  Route,
} from './portmap-lease.ts'
import type { Routes } from './portmap-routes.ts'

const ROUTE: Route = { family: 4, router: '192.168.1.1', local: '192.168.1.7' }
const OTHER: Route = { family: 6, router: 'fe80::1%eth0', local: '2001:db9::7' }
const TCP: ListenedPort = { protocol: 'tcp', port: 9_000, suffix: '' }
const QUIC: ListenedPort = { protocol: 'udp', port: 9_001, suffix: '/quic-v1' }
const MINUTE = 60_000

/** What a router does; a test changes it while the mapper runs. */
interface World {
  routes: Routes
  ports: readonly ListenedPort[]
  says: Partial<PortGrant>
  silent: boolean
  restarted: boolean
  /** Protocols that the router does not speak. */
  lacks: readonly MappingProtocol[]
}

function setup(changes: Partial<World> = {}) {
  const clock = new FakeClock(1_000_000)
  const world: World = {
    routes: { routes: [ROUTE] },
    ports: [TCP, QUIC],
    says: {},
    silent: false,
    restarted: false,
    lacks: [],
    ...changes,
  }
  const log: string[] = []
  const held = new Set<string>()
  const told: (readonly string[])[] = []
  const clientOf =
    (via: MappingProtocol): OpenPortClient =>
    async ({ router }) => {
      const answer = () => {
        if (!world.silent && !world.lacks.includes(via)) return
        throw NetError.ROUTER_UNUSABLE({ router, via, reason: 'no answer' })
      }
      return {
        via,
        async map(wanted) {
          answer()
          log.push(`${via} ${wanted.protocol} ${wanted.internalPort}>${wanted.externalPort}`)
          held.add(`${wanted.protocol} ${wanted.internalPort}`)
          const { externalPort, lifetimeSeconds } = wanted
          const given = { externalHost: '5.9.77.100', externalPort, lifetimeSeconds }
          return { ...given, restarted: false, ...world.says }
        },
        async unmap(wanted) {
          answer()
          held.delete(`${wanted.protocol} ${wanted.internalPort}`)
        },
        async hasRestarted() {
          answer()
          const { restarted } = world
          world.restarted = false
          return restarted
        },
        close() {},
      }
    }
  const open = { pcp: clientOf('pcp'), 'nat-pmp': clientOf('nat-pmp'), upnp: clientOf('upnp') }
  const mapper = new PortMapper({
    open,
    clock,
    log: silentLog,
    findRoutes: async () => world.routes,
    ports: () => world.ports,
  })
  mapper.events.on('mapped', ({ addresses }) => told.push(addresses))
  return { mapper, clock, world, log, held, told }
}

const ADDRESSES = ['/ip4/5.9.77.100/tcp/9000', '/ip4/5.9.77.100/udp/9001/quic-v1']

test('every port is mapped, told, renewed at half of its life and given back', async () => {
  const { mapper, clock, log, held, told } = setup()
  await mapper.start()
  await clock.advance(0)
  assert.deepEqual(told, [ADDRESSES])
  assert.deepEqual(mapper.status(), { state: 'active' })
  assert.deepEqual(log.splice(0), ['pcp tcp 9000>9000', 'pcp udp 9001>9001'])

  await clock.advance(29 * MINUTE)
  assert.deepEqual(log, [])
  await clock.advance(2 * MINUTE)
  assert.equal(log.length, 2)
  const row = mapper.mappings().find(({ protocol }) => protocol === 'tcp')
  assert.ok((row?.expiresAtMs ?? 0) > clock.now() + 58 * MINUTE)
  assert.deepEqual(
    { ...row, expiresAtMs: 0 },
    {
      protocol: 'tcp',
      suffix: '',
      via: 'pcp',
      router: ROUTE.router,
      internal: { host: ROUTE.local, port: 9_000 },
      external: { host: '5.9.77.100', port: 9_000 },
      expiresAtMs: 0,
      state: 'mapped',
      reason: null,
    },
  )

  await mapper.stop()
  assert.equal(held.size, 0)
  assert.equal(clock.waiting, 0)
  assert.equal(told.length, 1)
})

test('PCP comes before NAT-PMP, and that before UPnP', async () => {
  for (const lacks of [['pcp'], ['pcp', 'nat-pmp']] as const) {
    const { mapper, clock } = setup({ lacks })
    await mapper.start()
    await clock.advance(0)
    const via = lacks.length === 1 ? 'nat-pmp' : 'upnp'
    assert.deepEqual(new Set(mapper.mappings().map((row) => row.via)), new Set([via]))
    await mapper.stop()
  }
})

test('a router without any of them is told, and asked again, less and less often', async () => {
  const { mapper, clock, world, told } = setup({ silent: true })
  await mapper.start()
  await clock.advance(0)
  const { state, reason, remedy } = mapper.status()
  assert.equal(state, 'unavailable')
  assert.match(reason ?? '', /192\.168\.1\.1 maps no ports \(pcp: no answer, nat-pmp: no answer/)
  assert.match(remedy ?? '', /forward TCP 9000, UDP 9001 to 192\.168\.1\.7 by hand/)
  await clock.advance(20 * MINUTE)
  assert.deepEqual(told, [])
  world.silent = false
  await clock.advance(16 * MINUTE)
  assert.deepEqual(told, [ADDRESSES])
  await mapper.stop()
})

test('a router behind another NAT is told, and its address is not', async () => {
  for (const externalHost of ['100.64.3.4', '192.168.0.2', '10.0.0.1', '127.0.0.1', '0.0.0.0']) {
    const { mapper, clock, told } = setup({ says: { externalHost } })
    await mapper.start()
    await clock.advance(0)
    assert.deepEqual(told, [])
    assert.equal(mapper.mappings()[0]?.state, 'behind-nat')
    const { state, reason, remedy } = mapper.status()
    assert.equal(state, 'unavailable')
    assert.match(reason ?? '', /another NAT is beyond it/)
    assert.match(remedy ?? '', /ask the provider/)
    await mapper.stop()
  }
})

test('another port than the one wished for is told, and wished for at renewal', async () => {
  const { mapper, clock, log, told } = setup({ ports: [TCP], says: { externalPort: 40_000 } })
  await mapper.start()
  await clock.advance(31 * MINUTE)
  assert.deepEqual(told, [['/ip4/5.9.77.100/tcp/40000']])
  assert.deepEqual(log, ['pcp tcp 9000>9000', 'pcp tcp 9000>40000'])
  await mapper.stop()
})

test('a lease of a century is renewed like any other; one of a second is none', async () => {
  const century = setup({ ports: [TCP], says: { lifetimeSeconds: 4_000_000_000 } })
  await century.mapper.start()
  await century.clock.advance(31 * MINUTE)
  assert.equal(century.log.length, 2)
  await century.mapper.stop()

  const second = setup({ says: { lifetimeSeconds: 1 } })
  await second.mapper.start()
  await second.clock.advance(0)
  assert.deepEqual(second.told, [])
  assert.match(second.mapper.status().reason ?? '', /pcp: it gives ports for 1 s, too short/)
  await second.clock.advance(10 * MINUTE)
  assert.ok(second.log.length < 40, 'it is not asked on and on')
  await second.mapper.stop()
})

test('a router that has restarted is asked for everything again', async () => {
  const { mapper, clock, world, log } = setup()
  await mapper.start()
  await clock.advance(0)
  log.length = 0
  world.restarted = true
  await clock.advance(2 * MINUTE)
  assert.deepEqual(log, ['pcp tcp 9000>9000', 'pcp udp 9001>9001'])
  await mapper.stop()
})

test('a router that falls silent loses its addresses when they end, and gets them back', async () => {
  const { mapper, clock, world, told } = setup()
  await mapper.start()
  await clock.advance(0)
  world.silent = true
  await clock.advance(10 * MINUTE)
  assert.equal(told.length, 1)
  await clock.advance(55 * MINUTE)
  assert.deepEqual(told.at(-1), [])
  world.silent = false
  await clock.advance(16 * MINUTE)
  assert.deepEqual(told.at(-1), ADDRESSES)
  await mapper.stop()
})

test('a router that takes over is asked, and the addresses of the old one are gone', async () => {
  const { mapper, clock, world, told } = setup()
  await mapper.start()
  await clock.advance(0)
  world.says = { externalHost: '81.2.69.100' }
  world.routes = { routes: [{ ...ROUTE, router: '10.0.0.1', local: '10.0.0.7' }] }
  await clock.advance(6_000)
  assert.deepEqual(told.at(-1), ['/ip4/81.2.69.100/tcp/9000', '/ip4/81.2.69.100/udp/9001/quic-v1'])
  assert.ok(mapper.mappings().every(({ router }) => router === '10.0.0.1'))
  world.routes = { routes: [], reason: 'this machine has no router', remedy: 'connect it' }
  await clock.advance(6_000)
  assert.deepEqual(told.at(-1), [])
  const reason = 'this machine has no router'
  assert.deepEqual(mapper.status(), { state: 'unavailable', reason, remedy: 'connect it' })
  await mapper.stop()
})

test('a port that is not listened on any more is given back', async () => {
  const { mapper, clock, world, held, told } = setup()
  await mapper.start()
  await clock.advance(0)
  world.ports = [TCP]
  await clock.advance(6_000)
  assert.deepEqual([...held], ['tcp 9000'])
  assert.deepEqual(told.at(-1), [ADDRESSES[0]])
  await mapper.stop()
})

test('a machine with a public address asks nobody for anything', async () => {
  const { mapper, clock, log } = setup({ routes: { routes: [{ ...ROUTE, local: '5.9.77.1' }] } })
  await mapper.start()
  await clock.advance(MINUTE)
  assert.deepEqual(log, [])
  assert.equal(mapper.status().state, 'off')
  await mapper.stop()
})

test('IPv6 is asked for by PCP alone, and a router without it is no lack', async () => {
  const local = '2a01:4f8::7'
  const ipv6 = { routes: [{ family: 6, router: 'fe80::1%eth0', local } as const] }
  const externalHost = local
  const { mapper, clock, told } = setup({ routes: ipv6, says: { externalHost } })
  await mapper.start()
  await clock.advance(0)
  assert.deepEqual(told, [[`/ip6/${local}/tcp/9000`, `/ip6/${local}/udp/9001/quic-v1`]])
  await mapper.stop()

  const without = setup({ routes: ipv6, lacks: ['pcp'] })
  await without.mapper.start()
  await without.clock.advance(0)
  assert.deepEqual(without.log, [])
  assert.equal(without.mapper.status().state, 'off')
  await without.mapper.stop()
})

test('stop() ends in time although the router does not answer any more', async () => {
  const { mapper, clock } = setup()
  await mapper.start()
  await clock.advance(0)
  const hanging = setup()
  hanging.world.silent = true
  await hanging.mapper.start()
  await hanging.clock.advance(0)
  await Promise.all([mapper.stop(), hanging.mapper.stop()])
  assert.equal(clock.waiting + hanging.clock.waiting, 0)
})

test('stop() gives back what another router was about to be asked for', async () => {
  const clock = new FakeClock(1_000_000)
  const slow = Promise.withResolvers<void>()
  const closed: string[] = []
  const open: OpenPortClient = async ({ router }, signal) => {
    const wait = (until: Promise<void>) => race(until, signal)
    if (router === OTHER.router) await slow.promise
    return {
      via: 'pcp',
      map: () => wait(new Promise<void>(() => undefined)) as Promise<never>,
      unmap: async () => undefined,
      hasRestarted: async () => false,
      close: () => void closed.push(router),
    }
  }
  const mapper = new PortMapper({
    open: { pcp: open },
    findRoutes: async () => ({ routes: [ROUTE, OTHER] }),
    ports: () => [TCP],
    clock,
    log: silentLog,
  })
  await mapper.start()
  await clock.advance(0)
  const stopped = mapper.stop()
  await clock.advance(0)
  slow.resolve()
  await stopped
  await clock.advance(0)
  assert.deepEqual(closed.toSorted(), [ROUTE.router, OTHER.router].toSorted())
})
