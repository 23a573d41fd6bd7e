/** What a relay of one maker and peers of the other do for each other: rows of the table. */

import assert from 'node:assert/strict'
import { peerId } from '../../src/identity/index.ts'
import type { Libp2pHost } from '../../src/net/index.ts'
import { eventually } from '../support/nodes.ts'
import { askReservation } from '../support/relay-asker.ts'
import type { Probe } from './probe.ts'

/** Two relays, one of each maker, and who meets there. */
export interface RelayTable {
  readonly ourRelay: Libp2pHost
  readonly theirRelay: Probe
  /** Of the relays, over the transport that is tried. */
  readonly ourAddress: string
  readonly theirAddress: string
  /** Hosts of ours and peers of theirs that know nobody. */
  our(): Promise<Libp2pHost>
  their(): Promise<Probe>
}

export interface RelayCheck {
  readonly name: string
  run(table: RelayTable): Promise<void>
}

const HOUR_SECONDS = 3_600
const DAY_MS = 24 * HOUR_SECONDS * 1_000
/** What every maker lets through at least: circuit-v2.md leaves it open, all say this or more. */
const LEAST = { seconds: 60, bytes: 64 * 1_024 }
/** js-libp2p 3.3 tells its two minutes in milliseconds where the specification has seconds. */
const MOST = { seconds: 120_000, bytes: 2 ** 32 }

export const RELAY_CHECKS: readonly RelayCheck[] = [
  {
    name: 'their relay: two of ours meet, ping',
    run: async ({ theirAddress, theirRelay, our }) => {
      const [a, b] = [await our(), await our()]
      const circuit = await reserved(b, theirAddress, theirRelay.peer)
      await reach(a, b.self, circuit)
      await eventually(async () => (pathTo(b, a.self) === 'relayed' ? true : undefined))
    },
  },
  {
    name: 'their relay: one of theirs meets ours, ping',
    run: async ({ theirAddress, theirRelay, our, their }) => {
      const [theirs, b] = [await their(), await our()]
      const circuit = await reserved(b, theirAddress, theirRelay.peer)
      await theyReach(theirs, b.self, circuit)
    },
  },
  {
    name: 'their relay: its limits are sane',
    run: async ({ theirAddress }) => {
      const { status, reservation, limit = {} } = await askReservation(theirAddress)
      assert.equal(status, 100)
      const lifeMs = (reservation?.expiresAtMs ?? 0) - Date.now()
      assert.ok(lifeMs > LEAST.seconds * 1_000 && lifeMs <= DAY_MS, `for ${lifeMs} ms`)
      saneLimits(limit)
    },
  },
  {
    name: 'our relay: we meet one of theirs, ping',
    run: async ({ ourAddress, our, their }) => {
      const [a, theirs] = [await our(), await their()]
      const { address } = await theirs.ask('reserve', { addr: ourAddress })
      assert.equal(address, `${ourAddress}/p2p-circuit/p2p/${theirs.peer}`)
      await reach(a, theirs.peer, address)
    },
  },
  {
    name: 'our relay: two of theirs meet, ping',
    run: async ({ ourAddress, their }) => {
      const [first, second] = [await their(), await their()]
      const { address } = await first.ask('reserve', { addr: ourAddress })
      await theyReach(second, first.peer, String(address))
    },
  },
  {
    name: 'our relay: one of theirs meets ours, ping',
    run: async ({ ourAddress, ourRelay, our, their }) => {
      const [theirs, b] = [await their(), await our()]
      const circuit = await reserved(b, ourAddress, ourRelay.self)
      await theyReach(theirs, b.self, circuit)
    },
  },
  {
    name: 'our relay: its limits are understood',
    run: async ({ ourAddress, their }) => {
      const [first, second] = [await their(), await their()]
      const told = await first.ask('reserve', { addr: ourAddress })
      if (told.expires !== undefined) {
        const lifeMs = Number(told.expires) * 1_000 - Date.now()
        assert.ok(lifeMs > LEAST.seconds * 1_000 && lifeMs <= DAY_MS, `for ${lifeMs} ms`)
      }
      // js-libp2p keeps the limits of a circuit, and forgets those of a reservation.
      saneLimits(
        told.bytes === undefined
          ? await theyReach(second, first.peer, String(told.address))
          : { seconds: Number(told.seconds), bytes: Number(told.bytes) },
      )
    },
  },
]

interface Limits {
  readonly seconds?: number | undefined
  readonly bytes?: number | undefined
}

function saneLimits({ seconds = 0, bytes = 0 }: Limits): void {
  assert.ok(seconds >= LEAST.seconds && seconds <= MOST.seconds, `${seconds} s`)
  assert.ok(bytes >= LEAST.bytes && bytes <= MOST.bytes, `${bytes} bytes`)
}

/** Has a host of ours reserve at a relay, as one behind a NAT would. */
async function reserved(host: Libp2pHost, address: string, relay: string): Promise<string> {
  await host.connect(address)
  host.reach.wantRelays(true)
  const { expiresAtMs } = await eventually(async () => {
    return host.reachability().relays.find((one) => one.relay === relay)
  })
  assert.ok(expiresAtMs > Date.now() && expiresAtMs <= Date.now() + DAY_MS, `${expiresAtMs}`)
  const circuit = await eventually(async () => {
    return host.addresses().find((one) => one.includes(`/p2p/${relay}/p2p-circuit`))
  })
  return circuit.endsWith(host.self) ? circuit : `${circuit}/p2p/${host.self}`
}

async function reach(host: Libp2pHost, peer: string, circuit: string): Promise<void> {
  assert.equal(await host.connect(circuit), peer)
  assert.equal(pathTo(host, peer), 'relayed')
  assert.ok((await host.ping(peerId(peer))) < 5_000)
}

/** What their side says of the circuit. */
async function theyReach(theirs: Probe, peer: string, circuit: string): Promise<Limits> {
  const { peer: met } = await theirs.ask('dial', { addr: circuit })
  assert.equal(met, peer)
  const { ms } = await theirs.ask('ping', { peer })
  assert.ok(Number(ms) < 5_000)
  const { paths } = await theirs.ask('paths', { peer })
  const [path] = paths as readonly ({ address: string; limited: boolean } & Limits)[]
  assert.ok(path?.limited === true && path.address.includes('/p2p-circuit'), JSON.stringify(paths))
  return path
}

function pathTo(from: Libp2pHost, peer: string): string | undefined {
  return from.connections().find((one) => one.peer === peer)?.path
}
