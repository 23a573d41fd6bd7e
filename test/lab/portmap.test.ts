/**
 * A node behind a NAT that maps ports when asked, and somebody outside who comes in by the mapping.
 *
 *   a (10.x.0.2) ── lan [a-router: NAT, miniupnpd] wan 5.9.77.100 ──┐
 *                                                                   ├── internet
 *   out (91.10.20.1) ───────────────────────────────────────────────┘
 */

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Facility } from '../../src/net/index.ts'
import type { PortMapping } from '../../src/net/portmap-mapping.ts'
import type { NodeStatus, PeerStatus } from '../../src/node/index.ts'
import { type CliNode, startNode } from '../support/cli.ts'
import { Gateway, type GatewayOptions, gatewayUnavailable } from './gateway.ts'
import { labUnavailable, type Machine } from './namespaces.ts'
import { Internet } from './topology.ts'

const unavailable = labUnavailable() ?? gatewayUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

const PEER = fileURLToPath(new URL('portmap-peer.ts', import.meta.url))
const [PUBLIC, OUTSIDE] = ['5.9.77.100', '91.10.20.1']
const MAPPED = [`/ip4/${PUBLIC}/tcp/4001`, `/ip4/${PUBLIC}/udp/4002/quic-v1`]
const WITHIN_MS = 15_000
const UPTIME_MS = 6_000
/** Leases of some seconds, so that a test sees them renewed. */
const QUICK = { leaseSeconds: 8, renewMinMs: 1_000, checkMs: 1_000, tickMs: 200, retryMs: 1_000 }
const LONG = { ...QUICK, leaseSeconds: 600 }

const ROUTERS = {
  pcp: { natPmp: true, upnp: false },
  'nat-pmp': { natPmp: true, upnp: false },
  upnp: { natPmp: false, upnp: true },
} as const

for (const [via, options] of Object.entries(ROUTERS)) {
  test(`${via} alone: mapped, dialled from outside, renewed, given back at the end`, {
    skip,
  }, async () => {
    await using lab = await open(options)
    const { gateway, hostIp4 } = lab
    await using mapper = lab.start(via, QUICK)
    assert.deepEqual(await mapper.mapped(2), MAPPED)
    const forwards = [`tcp 4001 -> ${hostIp4}:4001`, `udp 4002 -> ${hostIp4}:4002`]
    assert.deepEqual(gateway.forwards().toSorted(), forwards)
    await comesIn(lab)

    const [first] = (await mapper.told()).mappings
    assert.equal(first?.via, via)
    await wait(1_000 * QUICK.leaseSeconds + 2_000)
    const later = await mapper.told()
    assert.ok((later.mappings[0]?.expiresAtMs ?? 0) > (first.expiresAtMs ?? 0) + 4_000, 'renewed')
    assert.equal(later.status.state, 'active')
    assert.deepEqual(gateway.forwards().toSorted(), forwards)
    await comesIn(lab)

    assert.ok((await mapper.stop()) < 2_000, 'in bounded time')
    assert.deepEqual(gateway.forwards(), [])
  })

  test(`${via} alone: a router that restarts is asked again`, { skip }, async () => {
    await using lab = await open(options)
    await using mapper = lab.start(via, LONG)
    await mapper.mapped(2)
    // RFC 6886 §3.6 allows a clock two seconds: a router must have run longer to be found out.
    await wait(UPTIME_MS)
    await lab.gateway.pullThePlug()
    await lab.gateway.start(options)
    const began = performance.now()
    while (lab.gateway.forwards().length < 2) {
      assert.ok(performance.now() - began < WITHIN_MS, 'mapped again')
      await wait(200)
    }
    await comesIn(lab)
  })
}

test('a router that speaks all three is asked by PCP', { skip }, async () => {
  await using lab = await open({ natPmp: true, upnp: true })
  await using mapper = lab.start('pcp,nat-pmp,upnp', LONG)
  await mapper.mapped(2)
  const { mappings } = await mapper.told()
  assert.deepEqual(
    mappings.map(({ via, state }) => [via, state]),
    [
      ['pcp', 'mapped'],
      ['pcp', 'mapped'],
    ],
  )
})

test('a router that speaks UPnP alone is found after the others are silent', { skip }, async () => {
  await using lab = await open(ROUTERS.upnp)
  await using mapper = lab.start('pcp,nat-pmp,upnp', LONG)
  assert.deepEqual(await mapper.mapped(2), MAPPED)
})

test('a router that maps nothing is told with a reason and a remedy', { skip }, async () => {
  await using lab = await open(undefined)
  await using mapper = lab.start('pcp,nat-pmp,upnp', LONG)
  const { status, mappings } = await mapper.settled()
  assert.equal(status.state, 'unavailable')
  assert.match(status.reason ?? '', /pcp: no answer, nat-pmp: no answer, upnp: no answer/)
  assert.match(status.remedy ?? '', /forward TCP 4001, UDP 4002 to 10\.\d+\.0\.2 by hand/)
  assert.deepEqual(mappings, [])
  assert.ok((await mapper.stop()) < 2_000)
})

test('a whole node has its ports mapped, is dialled by them, and gives them back', {
  skip,
}, async () => {
  await using lab = await open({ natPmp: true, upnp: true })
  const ports = ['--api-port=0', '--mcp-port=0']
  const env = { P2P_NETWORK_MDNS: 'false' }
  await using outside = await startNode(['--preset=public'], { ...on(lab.outside), ports, env })
  await using node = await startNode(['--preset=public'], { ...on(lab.host), ports, env })
  const { hostIp4: host } = lab
  const wanted = [
    `tcp 9000 -> ${host}:9000`,
    `udp 9000 -> ${host}:9000`,
    `udp 9001 -> ${host}:9001`,
  ]
  const began = performance.now()
  while (lab.gateway.forwards().length < wanted.length) {
    assert.ok(performance.now() - began < WITHIN_MS, `mapped; the log says: ${node.log}`)
    await wait(200)
  }
  assert.deepEqual(lab.gateway.forwards().toSorted(), wanted)
  const { portMapping, listen } = (await node.json('status')) as NodeStatus
  assert.equal(portMapping.state, 'active')
  const peer = node.ready.peerId
  const address = `/ip4/${PUBLIC}/udp/9001/quic-v1/p2p/${peer}`
  assert.ok(listen.includes(address), listen.join(' '))
  await outside.json('connect', address)
  await saysMapped(node, outside.ready.peerId)
  await node.kill('SIGTERM')
  assert.deepEqual(lab.gateway.forwards(), [])
})

/** Whose port it is knows how a connection came, once the other side told where it dialled. */
async function saysMapped(node: CliNode, from: string): Promise<void> {
  const began = performance.now()
  for (;;) {
    const peers = (await node.json('peers')) as readonly PeerStatus[]
    const paths = peers.find(({ peer }) => peer === from)?.connections.map(({ path }) => path)
    if (paths?.includes('mapped') === true) return
    assert.ok(performance.now() - began < WITHIN_MS, JSON.stringify(peers))
    await wait(200)
  }
}

/** The site, its router, and somebody outside. */
async function open(options: GatewayOptions | undefined) {
  const internet = new Internet()
  try {
    const { host, routers, hostIp4 } = await internet.site('a', { nat: 'restricted', ip4: PUBLIC })
    const out = await internet.host('out', { ip4: OUTSIDE })
    const [router] = routers
    assert.ok(router !== undefined)
    const gateway = new Gateway(router, internet.folder('gateway'))
    if (options !== undefined) await gateway.start(options)
    return {
      gateway,
      hostIp4,
      host,
      outside: out.host,
      start: (protocols: string, knobs: object) =>
        new Mapper(host.spawn(process.execPath, [PEER, protocols, JSON.stringify(knobs)])),
      [Symbol.asyncDispose]: () => internet[Symbol.asyncDispose](),
    }
  } catch (error) {
    await internet[Symbol.asyncDispose]()
    throw error
  }
}

function on({ wrapper }: Machine) {
  return { wrapper }
}

/** A machine outside reaches what listens behind the NAT, over TCP and UDP. */
async function comesIn({ outside }: { outside: { run(c: string, a: readonly string[]): string } }) {
  const tcp = outside.run('timeout', ['3', 'socat', '-u', `TCP4:${PUBLIC}:4001`, 'STDOUT'])
  assert.equal(tcp, 'tcp')
  const udp = outside.run('sh', ['-c', `echo ping | timeout 3 socat -t1 - UDP4:${PUBLIC}:4002`])
  assert.equal(udp, 'ping\n')
}

interface Told {
  readonly event: 'told'
  readonly mappings: readonly PortMapping[]
  readonly status: Facility
}
type Said = Told | { event: 'mapped'; addresses: string[] } | { event: 'stopped'; ms: number }

/** The process with the mapper: what it says, in order. */
class Mapper implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #said: Said[] = []
  #wake: () => void = () => undefined

  constructor(child: ChildProcess) {
    this.#child = child
    assert.ok(child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#said.push(JSON.parse(line) as Said)
      this.#wake()
    })
  }

  /** The addresses, once there are so many. */
  mapped(count: number): Promise<readonly string[]> {
    return this.#next((said) => {
      const isEnough = said.event === 'mapped' && said.addresses.length === count
      return isEnough ? said.addresses : undefined
    })
  }

  told(): Promise<Told> {
    this.#child.stdin?.write('\n')
    return this.#next((said) => (said.event === 'told' ? said : undefined))
  }

  /** What it tells once it has found out. */
  async settled(): Promise<Told> {
    for (;;) {
      const told = await this.told()
      if (told.status.state !== 'off') return told
      await wait(200)
    }
  }

  /** How long it took to give everything back. */
  stop(): Promise<number> {
    this.#child.stdin?.end()
    return this.#next((said) => (said.event === 'stopped' ? said.ms : undefined))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await ended
  }

  async #next<T>(read: (said: Said) => T | undefined): Promise<T> {
    const until = performance.now() + WITHIN_MS
    for (;;) {
      for (const [i, said] of this.#said.entries()) {
        const found = read(said)
        if (found === undefined) continue
        this.#said.splice(i, 1)
        return found
      }
      const left = until - performance.now()
      if (left <= 0) assert.fail(`it said only ${JSON.stringify(this.#said)}`)
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, left)
      this.#wake = resolve
      await promise
      clearTimeout(timer)
    }
  }
}
