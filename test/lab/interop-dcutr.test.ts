/**
 * Leaving a relay together with peers of other makers (DCUtR), each side behind a NAT that filters
 * by address and port. The relay is ours; who is called through it takes the first step.
 *
 *   ours   ── [restricted NAT] ── 10 ms ──┐
 *                                         ├── internet ── relay 5.9.77.10
 *   theirs ── [restricted NAT] ── 10 ms ──┘
 *
 * js-libp2p is not here: two of its own peers do not punch over either transport.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Probe } from '../interop/probe.ts'
import { type Program, programOf } from '../interop/programs.ts'
import { note, PUNCHES } from '../interop/table.ts'
import { skipOutsideCi } from '../support/ci.ts'
import { linkUnavailable } from './link.ts'
import { pathOf } from './nat-cell.ts'
import { LabNode } from './node-process.ts'
import { Internet, type SiteOptions } from './topology.ts'
import { A, B, RELAY } from './world.ts'

const unavailable = linkUnavailable()
const LINE = { delayMs: 10, loss: 0 }
const WITHIN_MS = 20_000
const NOTED_WITHIN_MS = 5_000

const WAYS = [
  { way: 'QUIC', relay: 'udp/9001/quic-v1', own: 'udp/9001/quic-v1' },
  { way: 'TCP, Noise', relay: 'tcp/9000', own: 'tcp/9000' },
] as const

for (const maker of ['go', 'rust'] as const) {
  for (const way of WAYS) {
    for (const caller of ['theyCall', 'weCall'] as const) {
      const name = `${maker}-libp2p over ${way.way}: ${PUNCHES[caller]}`
      test(name, { timeout: 150_000 }, async (context) => {
        const program = programOf(maker)
        const why = unavailable ?? (typeof program === 'string' ? program : undefined)
        if (why !== undefined || typeof program === 'string') {
          skipOutsideCi(context, why ?? '')
          return
        }
        await using laid = await behindNats(program, way)
        await leaveRelay(laid, caller)
        note({ maker: program.what, way: way.way, check: PUNCHES[caller] })
      })
    }
  }
}

interface Laid extends AsyncDisposable {
  readonly ours: LabNode
  readonly theirs: Probe
  readonly relay: LabNode
  /** Of the relay, with its peer id. */
  readonly address: string
  /** That we listen on, as multiaddrs have it. */
  readonly port: string
}

async function behindNats(program: Program, way: (typeof WAYS)[number]): Promise<Laid> {
  await using opened = new AsyncDisposableStack()
  const internet = opened.use(new Internet())
  const site = (ip4: string): SiteOptions => ({ nat: 'restricted', ip4, line: LINE })
  const machines = {
    relay: await internet.host('relay', { ip4: RELAY.ip4 ?? '' }),
    ours: await internet.site('ours', site(A.ip4)),
    theirs: await internet.site('theirs', site(B.ip4)),
  }
  const announced = `/ip4/${RELAY.ip4}/${way.relay}`
  const relay = opened.use(
    await LabNode.start(machines.relay.host, {
      dataDir: internet.folder('relay'),
      toml: [
        '[network]',
        `listen_addresses = ["/ip4/0.0.0.0/${way.relay}"]`,
        `announce_addresses = ["${announced}"]`,
        'relay_server = "always"',
      ].join('\n'),
    }),
  )
  const address = `${announced}/p2p/${relay.peerId}`
  const ours = opened.use(
    await LabNode.start(machines.ours.host, {
      dataDir: internet.folder('ours'),
      toml: [
        '[network]',
        `listen_addresses = ["/ip4/0.0.0.0/${way.own}"]`,
        '[bootstrap]',
        `nodes = ["${address}"]`,
      ].join('\n'),
    }),
  )
  const theirs = opened.use(
    await Probe.start(program, {
      listen: [`/ip4/0.0.0.0/${way.own}`],
      private: true,
      wrapper: machines.theirs.host.wrapper,
    }),
  )
  // A dial leaves from a port that is listened on at the address of the link, once it is.
  const listensOnLink = await ours.until(async () => {
    const { addresses } = await theirs.ask('addresses')
    return (addresses as readonly string[]).some((one) => !one.includes('/127.0.0.1/'))
      ? true
      : undefined
  }, WITHIN_MS)
  assert.ok(listensOnLink === true, 'theirs listens on loopback alone')
  const stack = opened.move()
  const { own: port } = way
  return { ours, theirs, relay, address, port, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

async function leaveRelay(laid: Laid, caller: keyof typeof PUNCHES): Promise<void> {
  const { ours, theirs, relay, address } = laid
  await theirs.ask('dial', { addr: address })
  await theirs.ask('identify', { peer: relay.peerId })
  const isReserved = await ours.until(async () => {
    const status = JSON.stringify(await ours.must('status'))
    return status.includes('/p2p-circuit') ? true : undefined
  }, WITHIN_MS)
  assert.ok(isReserved, `no reservation of ours\n${ours.log}`)
  if (caller === 'weCall') {
    const { address: circuit } = await theirs.ask('reserve', { addr: address })
    const { error } = await ours.reach(String(circuit))
    assert.equal(error, undefined, `${error?.message}\n${ours.log}`)
  } else {
    await theirs.ask('dial', { addr: `${address}/p2p-circuit/p2p/${ours.peerId}` })
  }
  const direct = await ours.until(async () => {
    const { paths } = await theirs.ask('paths', { peer: ours.peerId })
    return (paths as readonly TheirPath[]).find(({ limited }) => !limited)
  }, WITHIN_MS)
  assert.ok(direct !== undefined, `relayed still\n${await statusOf(ours)}\n${ours.log}`)
  // From the port that we listen on, over the transport that is tried.
  assert.ok(direct.address.startsWith(`/ip4/${A.ip4}/${laid.port}`), direct.address)
  // What kind of way it is, our side knows when its try is over. Theirs may have got through too.
  const ofOurs = () => ours.connectionsTo(theirs.peer)
  const punched = await ours.until(async () => {
    return (await ofOurs()).find((one) => pathOf(one) === 'punched')
  }, NOTED_WITHIN_MS)
  assert.ok(punched !== undefined, `${JSON.stringify(await ofOurs())}\n${await statusOf(ours)}`)
  const { ms } = await theirs.ask('ping', { peer: ours.peerId })
  assert.ok(Number(ms) < 5_000)
}

interface TheirPath {
  readonly address: string
  readonly limited: boolean
}

/** What our side tried, for whoever reads of a failure. */
async function statusOf(ours: LabNode): Promise<string> {
  return JSON.stringify((await ours.ask<unknown>('status')).value)
}
