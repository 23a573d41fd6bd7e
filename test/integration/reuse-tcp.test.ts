/** TCP dials from the listening port: real sockets on loopback, real system calls, whole hosts. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { syscallsMissing, systemClock } from '../../src/base/index.ts'
import { type Libp2pHost, netConfig } from '../../src/net/index.ts'
import { tcpTransport } from '../../src/net/libp2p.ts'
import type { PunchRole, TcpPunching } from '../../src/net/punching.ts'
import { ReuseTcp, type ReuseTcpDeps } from '../../src/net/reuse-tcp.ts'
import { coded } from '../support/expect.ts'
import { testHost } from '../support/testnet.ts'

const LOOP4 = '/ip4/127.0.0.1/tcp/0'
const LOOP6 = '/ip6/::1/tcp/0'

interface PunchHost extends AsyncDisposable {
  readonly host: Libp2pHost
  readonly tcp: TcpPunching
}

async function punchHost(
  listen = [LOOP4],
  load: Pick<ReuseTcpDeps, 'load'> = {},
): Promise<PunchHost> {
  const tcp = new ReuseTcp({ clock: systemClock, attemptMs: 5_000, ...load })
  const transports = [tcp.wrap(tcpTransport(netConfig.parse({ listen })))]
  const host = await testHost({ listen, deps: { transports } })
  await host.start()
  return { host, tcp, [Symbol.asyncDispose]: () => host.stop() }
}

function addressOf({ host }: PunchHost): string {
  return (host.addresses()[0] ?? '').replace(/\/p2p\/.*/, '')
}

function punch(from: PunchHost, to: string, role: PunchRole = 'client'): Promise<void> {
  return from.tcp.punch(multiaddr(to), { signal: AbortSignal.timeout(10_000), role })
}

async function until(holds: () => boolean): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += 5) {
    assert.ok(waitedMs < 10_000, `waited in vain until ${holds.toString()}`)
    await wait(5)
  }
}

async function listening(accept: (socket: Socket) => void, port = 0): Promise<Server> {
  const server = createServer(accept).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** Where ports cannot be shared, every dial of this kind is refused, and says why. */
function onLinux(name: string, holds: () => Promise<void>): void {
  test(name, async () => {
    if (syscallsMissing() === undefined) return holds()
    await using a = await punchHost()
    assert.equal(a.tcp.facility.state, 'unavailable')
    await assert.rejects(punch(a, '/ip4/127.0.0.1/tcp/9'), coded('NET_PUNCH_UNAVAILABLE'))
  })
}

onLinux('a dial leaves from the listening port, over IPv4 and IPv6', async () => {
  for (const listen of [LOOP4, LOOP6]) {
    await using a = await punchHost([listen])
    await using b = await punchHost([listen])
    await punch(b, addressOf(a))
    await until(() => a.host.connections().length === 1)
    assert.equal(a.host.connections()[0]?.address, addressOf(b))
    assert.ok((await b.host.ping(a.host.self)) >= 0)
    assert.deepEqual(b.tcp.facility, { state: 'active' })
  }
})

onLinux('the listener goes on, and several dials share its port', async () => {
  await using a = await punchHost()
  await using b = await punchHost()
  await using c = await punchHost()
  await punch(a, addressOf(b))
  await punch(a, addressOf(c))
  await using late = await punchHost()
  await late.host.connect(a.host.addresses()[0] ?? '')
  await until(() => a.host.connections().length === 3)
  for (const other of [b, c]) {
    await until(() => other.host.connections()[0]?.address === addressOf(a))
  }
})

onLinux('a port is not shared with another program', async () => {
  await using a = await punchHost()
  await using b = await punchHost()
  const port = Number(addressOf(a).split('/').at(-1))
  await assert.rejects(
    listening(() => undefined, port),
    /EADDRINUSE/,
  )
  await punch(a, addressOf(b))
  await assert.rejects(
    listening(() => undefined, port),
    /EADDRINUSE/,
  )
})

onLinux('it tries again until somebody answers', async () => {
  await using a = await punchHost()
  const port = await freePort()
  const punched = punch(a, `/ip4/127.0.0.1/tcp/${port}`)
  await wait(300)
  await using b = await punchHost([`/ip4/127.0.0.1/tcp/${port}`])
  await punched
  assert.deepEqual(
    a.host.connections().map(({ peer }) => peer),
    [b.host.self],
  )
})

onLinux('it gives up with the signal, and leaves no socket', async () => {
  await using a = await punchHost()
  const stop = new AbortController()
  const to = multiaddr(`/ip4/127.0.0.1/tcp/${await freePort()}`)
  const punched = a.tcp.punch(to, { signal: stop.signal, role: 'client' })
  await wait(250)
  stop.abort(new TypeError('enough'))
  await assert.rejects(punched, /enough/)
  assert.deepEqual(a.host.connections(), [])
})

/** Two connections become one, as when two dials meet: both sides have dialled. */
onLinux('as server a side that dialled lets the other speak first', async () => {
  await using a = await punchHost()
  await using b = await punchHost()
  const sockets: Socket[] = []
  const meet = (socket: Socket) => {
    sockets.push(socket)
    const [one, other] = sockets
    if (one !== undefined && other !== undefined) one.pipe(other).pipe(one)
  }
  const meeting = await listening(meet)
  const at = `/ip4/127.0.0.1/tcp/${portOf(meeting)}`
  await Promise.all([punch(a, at, 'client'), punch(b, at, 'server')])
  assert.deepEqual(
    [a, b].map(({ host }) => host.connections().map(({ direction, peer }) => [direction, peer])),
    [[['outbound', b.host.self]], [['inbound', a.host.self]]],
  )
  assert.ok((await b.host.ping(a.host.self)) >= 0)
  for (const socket of sockets) socket.destroy()
  meeting.close()
})

test('where koffi does not load, it says so at once and ordinary TCP works', async () => {
  const load = () => Promise.reject(new TypeError('no binary'))
  await using a = await punchHost([LOOP4], { load })
  await using b = await punchHost()
  await assert.rejects(punch(a, addressOf(b)), coded('NET_PUNCH_UNAVAILABLE'))
  assert.equal(a.tcp.facility.state, 'unavailable')
  assert.match(a.tcp.facility.remedy ?? '', /npm install/)
  await a.host.connect(b.host.addresses()[0] ?? '')
})

onLinux('without a listener that reaches the target nothing is dialled', async () => {
  await using a = await punchHost([LOOP6])
  await assert.rejects(punch(a, '/ip4/127.0.0.1/tcp/9'), coded('NET_PUNCH_UNAVAILABLE'))
})

async function freePort(): Promise<number> {
  const server = await listening(() => undefined)
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  return port
}

test('a descriptor that is of no use is closed', async () => {
  const closed: number[] = []
  const file = openSync('/dev/null', 'r')
  const load = async () => ({
    boundTcp: () => file,
    sharePort: () => undefined,
    close: (fd: number) => void closed.push(fd),
  })
  await using a = await punchHost([LOOP4], { load })
  await assert.rejects(punch(a, '/ip4/127.0.0.1/tcp/9'), coded('NET_PUNCH_UNAVAILABLE'))
  closeSync(file)
  assert.deepEqual(closed, [file])
})
