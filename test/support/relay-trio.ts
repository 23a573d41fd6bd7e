/**
 * Three nodes' worth of relayed calls in one process, joined in memory: Alice has no path to Carol,
 * who offers tools; Bob, and Dave where he is wanted, know both.
 */

import {
  Registry,
  secureRandom,
  seededRandom,
  silentLog,
  systemClock,
} from '../../src/base/index.ts'
import { generateKeys, type LocalSigner, type PeerId } from '../../src/identity/index.ts'
import { CallRelay } from '../../src/mcp/call-relay.ts'
import { mcpConfig } from '../../src/mcp/config.ts'
import { Journal } from '../../src/mcp/journal.ts'
import { SqliteJournal } from '../../src/mcp/journal-store.ts'
import { mcpMetrics } from '../../src/mcp/metrics.ts'
import { Outcomes } from '../../src/mcp/outcomes.ts'
import { type Tool, tool } from '../../src/mcp/own-tool.ts'
import { relayProtocol } from '../../src/mcp/relay-protocol.ts'
import { RelayedCalls } from '../../src/mcp/relayed-calls.ts'
import { outcomeHost } from '../../src/mcp/relayed-outcomes.ts'
import { RelayedServer } from '../../src/mcp/relayed-server.ts'
import { Router } from '../../src/mcp/router.ts'
import { Scores } from '../../src/mcp/scores.ts'
import { clientSdk, serverSdk } from '../../src/mcp/sdk.ts'
import { InboundStreams } from '../../src/mcp/server.ts'
import { Services } from '../../src/mcp/services.ts'
import { z } from '../../src/mcp/tool.ts'
import { NetError } from '../../src/net/errors.ts'
import type { Channel, ConnectionInfo, Host, Protocol } from '../../src/net/index.ts'
import { MemoryNet } from './channel-pair.ts'

export const [ALICE, BOB, CAROL, DAVE] = (['alice', 'bob', 'carol', 'dave'] as const).map(
  (name) => generateKeys(seededRandom(`trio ${name}`)).signer,
) as unknown as readonly [LocalSigner, LocalSigner, LocalSigner, LocalSigner]
export const SERVICE = 'own'
export const NETWORK = 'test'

// Loading them is no part of any test's time.
await Promise.all([clientSdk(), serverSdk()])

const SHARED = { clock: systemClock, random: secureRandom, log: silentLog, network: NETWORK }

export interface Trio extends AsyncDisposable {
  readonly router: Router
  readonly relayed: RelayedCalls
  /** Carol's. */
  readonly server: RelayedServer
  readonly services: Services
  readonly journal: Journal
  readonly net: MemoryNet
  /** Who asked Carol's policy, and Bob's. */
  readonly admitted: { readonly carol: PeerId[]; readonly bob: PeerId[] }
  /** How often each tool of Carol's ran. */
  readonly ran: { add: number; count: number }
}

export interface TrioOptions {
  readonly knobs?: Parameters<typeof mcpConfig.parse>[0]
  /** What Bob does with a stream in place of carrying it. */
  readonly bob?: (channel: Channel, host: Pick<Host, 'open'>) => Promise<void>
  readonly relays?: readonly LocalSigner[]
  /** What Alice's calls are held to before they are made. */
  readonly check?: () => Promise<void>
  /** What becomes of Alice's direct calls; there is no path unless given. */
  readonly direct?: () => Promise<never>
  /** What `count` waits for once it has counted. */
  readonly hold?: Promise<void>
  /** Alice's own policy. */
  readonly admit?: () => void
}

export async function trio(options: TrioOptions = {}): Promise<Trio> {
  const { knobs = {}, bob, relays = [BOB] } = options
  const { check = async () => undefined, admit = () => undefined } = options
  const config = mcpConfig.parse(knobs)
  const net = new MemoryNet()
  const metrics = mcpMetrics(new Registry())
  const room = { ...SHARED, metrics, version: '0' }
  const admitted = { carol: [] as PeerId[], bob: [] as PeerId[] }
  const ran = { add: 0, count: 0 }

  const services = new Services({ ...room, path: '/nowhere/services.json' }, config)
  services.exposeTools(SERVICE, toolsOf(ran, options.hold))
  const journal = new Journal({ ...room, store: new SqliteJournal(':memory:') }, config)
  const policy = { admit: (peer: PeerId) => void admitted.carol.push(peer) }
  const carol = { ...net.host(CAROL.peer), self: CAROL.peer }
  const streams = new InboundStreams({ ...room, host: carol, services, journal, policy }, config)
  const server = new RelayedServer({ ...room, signer: CAROL, streams }, config)
  await new CallRelay({ ...room, host: carol, server, policy }, mcpConfig.parse({})).start()

  for (const relay of relays) {
    const host = { ...net.host(relay.peer), self: relay.peer }
    const pays = { admit: (peer: PeerId) => void admitted.bob.push(peer) }
    if (relay === BOB && bob !== undefined) {
      await host.handle(relayProtocol(NETWORK), (channel) => bob(channel, host))
    } else {
      const none = { take: async () => undefined }
      await new CallRelay({ ...room, host, server: none, policy: pays }, config).start()
    }
  }

  const host = aliceOn(net, relays)
  const relayed = new RelayedCalls({ ...room, host, signer: ALICE, policy: { admit } }, config)
  const outcomes = new Outcomes({ ...room, host: outcomeHost(host, relayed) }, config)
  const router = new Router(
    {
      ...room,
      host,
      relayed,
      outcomes,
      scores: new Scores(systemClock),
      sessions: { callTool: options.direct ?? (async (peer: PeerId) => noPath(peer)) },
      local: { callTool: async () => noPath(ALICE.peer) },
      directory: directoryOf(),
      held: { check },
    },
    config,
  )
  const stop = async () => {
    await streams.stop()
    await services.stop()
    journal.close()
  }
  const parts = { router, relayed, server, services, journal, net, admitted, ran }
  return { ...parts, [Symbol.asyncDispose]: stop }
}

/** Knows her relays, and nobody else. */
function aliceOn(net: MemoryNet, relays: readonly LocalSigner[]) {
  const paired = net.host(ALICE.peer)
  const connected = relays.map(({ peer }) => ({ peer, transport: 'memory' }) as ConnectionInfo)
  const open: Host['open'] = async (peer, protocol: Protocol, options) => {
    return peer === CAROL.peer ? noPath(peer) : paired.open(peer, protocol, options)
  }
  return {
    self: ALICE.peer,
    connections: () => connected,
    open,
    ping: async () => 1,
    protocolsOf: async () => [relayProtocol(NETWORK).id],
  }
}

export function noPath(peer: PeerId): never {
  throw NetError.CONNECT_FAILED({ target: peer, tried: [] })
}

function directoryOf() {
  const entries = ['add', 'count', 'long'].map((name) => ({
    service: SERVICE,
    tool: name,
    peer: CAROL.peer,
    description: '',
    idempotent: name !== 'count',
  }))
  const find = async ({ tool: name }: { readonly tool?: string }) => {
    const found = entries.filter((entry) => entry.tool === name)
    return { entries: found, services: [], asked: 1, failed: [], cached: false }
  }
  return { lookup: find, find, forget: () => undefined }
}

function toolsOf(ran: { add: number; count: number }, hold?: Promise<void>): readonly Tool[] {
  const input = z.object({ a: z.number(), b: z.number() })
  const add = tool('add', { input, idempotent: true }, ({ a, b }, { caller }) => {
    ran.add += 1
    return `${a + b} for ${caller}`
  })
  const count = tool('count', { input: z.object({}) }, async () => {
    ran.count += 1
    await hold
    return `${ran.count}`
  })
  const kib = z.object({ kib: z.number() })
  const long = tool('long', { input: kib, idempotent: true }, (args) => 'x'.repeat(args.kib * 1024))
  return [add, count, long]
}
