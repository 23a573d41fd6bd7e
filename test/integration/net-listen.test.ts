import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/base/index.ts'
import type { Libp2pHost, Probe } from '../../src/net/index.ts'
import { probeByBinding } from '../../src/net/ports.ts'
import { coded } from '../support/expect.ts'
import { testHost } from '../support/testnet.ts'

test('a busy TCP port that was asked for is refused with its number and its holder', async () => {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  await using host = await stopping({ listen: [`/ip4/127.0.0.1/tcp/${port}`] })
  await assert.rejects(host.start(), (error: unknown) => {
    assert.ok(coded('NET_PORT_BUSY')(error))
    const { facts } = error as { facts: { port: number; holder: string | undefined } }
    assert.equal(facts.port, port)
    if (process.platform === 'linux') assert.match(facts.holder ?? '', /pid \d+/)
    return true
  })
  holder.close()
})

test('a busy UDP port is found too, and does not disturb TCP of the same number', async () => {
  const holder = createSocket('udp4')
  holder.bind(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address()
  await using quic = await stopping({ listen: [`/ip4/127.0.0.1/udp/${port}/quic-v1`] })
  await assert.rejects(quic.start(), coded('NET_PORT_BUSY'))
  await using tcp = await stopping({ listen: [`/ip4/127.0.0.1/tcp/${port}`] })
  await tcp.start()
  holder.close()
})

test('the wildcards of IPv4 and IPv6 share one port, for TCP and for QUIC', async () => {
  const probe: Probe = probeByBinding
  const tcp = await freePort(probe, 'tcp')
  const udp = await freePort(probe, 'udp')
  const listen = [
    `/ip6/::/udp/${udp}/quic-v1`,
    `/ip4/0.0.0.0/udp/${udp}/quic-v1`,
    `/ip6/::/tcp/${tcp}`,
    `/ip4/0.0.0.0/tcp/${tcp}`,
  ]
  await using host = await stopping({ listen })
  await host.start()
  const kinds = host.addresses().map((text) => text.split('/').slice(1, 5).join('/'))
  for (const kind of [`ip4/127.0.0.1/tcp/${tcp}`, `ip4/127.0.0.1/udp/${udp}`]) {
    assert.ok(kinds.includes(kind), `${kind} of ${kinds.join(' ')}`)
  }
  assert.ok(host.addresses().every((text) => text.endsWith(`/p2p/${host.self}`)))
  assert.ok(!host.addresses().some((text) => text.includes('/fe80:')))
  assert.deepEqual(host.quic(), { state: 'active' })
})

test('busy default ports move, with an event', async () => {
  const moved: unknown[] = []
  const probe: Probe = async (kind, address, port) =>
    port === 9_000 || port === 9_001 ? 'busy' : probeByBinding(kind, address, port)
  await using host = await stopping({ listen: undefined, probe })
  host.events.on('portMoved', (move) => moved.push(move))
  await host.start()
  assert.equal(moved.length, 2)
  const ports = host.addresses().map((text) => Number(text.split('/')[4]))
  assert.ok(ports.every((port) => port > 9_001))
})

test('without IPv6 the node starts with IPv4 and says what is missing', async () => {
  const probe: Probe = async (_, address) => (address.includes(':') ? 'absent' : 'free')
  await using host = await stopping({ listen: ['/ip6/::/tcp/0', '/ip4/127.0.0.1/tcp/0'], probe })
  await host.start()
  assert.ok(host.addresses().every((text) => text.startsWith('/ip4/127.0.0.1/tcp/')))
  assert.equal(host.ipv6().state, 'unavailable')
  assert.match(host.ipv6().reason ?? '', /no IPv6/)
  assert.equal(host.quic().state, 'off')
})

test('idle sockets from many addresses do not shut out honest peers, and are cut off', async () => {
  const listen = ['/ip4/127.0.0.1/tcp/0']
  await using host = await stopping({ listen, config: { upgradeTimeoutMs: 1_500 } })
  await host.start()
  const port = Number(host.addresses()[0]?.split('/')[4])
  let cutOff = 0
  const idle = Array.from({ length: 300 }, (_, i) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: `127.0.1.${1 + (i % 50)}` })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      cutOff += 1
    })
    return socket
  })
  await systemClock.sleep(300)
  for (let i = 0; i < 6; i += 1) {
    await using honest = await stopping({ listen })
    await honest.start()
    assert.equal(await honest.connect(host.addresses()[0] ?? ''), host.self)
  }
  for (let i = 0; i < 60 && cutOff < idle.length; i += 1) await systemClock.sleep(50)
  assert.equal(cutOff, idle.length)
  for (const socket of idle) socket.destroy()
})

test('a node that has stopped leaves nothing behind: its process ends by itself', async () => {
  const script = join(import.meta.dirname, '..', 'support', 'net-stop.ts')
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  const begun = performance.now()
  await once(child, 'exit')
  assert.equal(child.exitCode, 0)
  assert.ok(performance.now() - begun < 3_000)
})

interface Given {
  readonly listen: readonly string[] | undefined
  readonly probe?: Probe
  readonly config?: { upgradeTimeoutMs: number }
}

/** A host, not started, that is stopped at the end of the test. */
async function stopping({ listen, probe, config = { upgradeTimeoutMs: 5_000 } }: Given) {
  const host = await testHost({
    listen: listen ?? [],
    config: { ...config, listen: listen === undefined ? undefined : [...listen] },
    deps: probe === undefined ? {} : { probe },
  })
  return Object.assign(host, { [Symbol.asyncDispose]: () => host.stop() }) satisfies Libp2pHost
}

async function freePort(probe: Probe, kind: 'tcp' | 'udp'): Promise<number> {
  for (let port = 19_000; port < 19_500; port += 1) {
    if (
      (await probe(kind, '::', port)) === 'free' &&
      (await probe(kind, '0.0.0.0', port)) === 'free'
    ) {
      return port
    }
  }
  return assert.fail('no free port')
}
