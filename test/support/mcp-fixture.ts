/** Two nodes' worth of `mcp` in one process: channels joined in memory, services as children. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  Registry,
  secureRandom,
  seededRandom,
  silentLog,
  systemClock,
} from '../../src/base/index.ts'
import { generateKeys, type PeerId } from '../../src/identity/index.ts'
import { mcpConfig } from '../../src/mcp/config.ts'
import { Journal } from '../../src/mcp/journal.ts'
import { SqliteJournal } from '../../src/mcp/journal-store.ts'
import { mcpMetrics } from '../../src/mcp/metrics.ts'
import { Outcomes } from '../../src/mcp/outcomes.ts'
import { type Pipe, pipePair } from '../../src/mcp/pipe.ts'
import { InboundStreams } from '../../src/mcp/server.ts'
import { Services } from '../../src/mcp/services.ts'
import { Sessions } from '../../src/mcp/session.ts'
import type { ServiceSpec } from '../../src/mcp/tool.ts'
import type { Channel, Protocol } from '../../src/net/index.ts'

export const ALICE = generateKeys(seededRandom('alice')).signer.peer
export const BOB = generateKeys(seededRandom('bob')).signer.peer

const FIXTURE = fileURLToPath(new URL('fixture-server.ts', import.meta.url))

/** The fixture server as a service; `file` is where its `counter` writes. */
export function fixtureSpec(name: string, file = '', args: readonly string[] = []): ServiceSpec {
  const source = {
    kind: 'stdio' as const,
    command: process.execPath,
    args: [FIXTURE, file, ...args],
    cwd: process.cwd(),
    env: {},
  }
  return { name, source }
}

/** Both ends of one stream: each names the peer at its other end. */
export function channelPair(a: PeerId, b: PeerId): [Channel, Channel] {
  const [left, right] = pipePair()
  const gone = new AbortController()
  return [asChannel(left, b, gone), asChannel(right, a, gone)]
}

function asChannel(pipe: Pipe, peer: PeerId, gone: AbortController): Channel {
  return {
    peer,
    closed: gone.signal,
    read: (options) => pipe.read(options),
    write: (frame, options) => pipe.write(frame, options),
    close: () => pipe.close(),
    abort: (error) => {
      pipe.abort(error)
      gone.abort(error)
    },
  }
}

/** A folder of a test's own, gone afterwards. */
export async function scratch(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'p2p-mcp-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Whether a process has ended, after waiting for it a little. */
export async function processGone(pid: number): Promise<boolean> {
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      process.kill(pid, 0)
    } catch {
      return true
    }
    await wait(25)
  }
  return false
}

export interface Duo extends AsyncDisposable {
  readonly services: Services
  readonly sessions: Sessions
  readonly server: InboundStreams
  /** What Bob knows of calls with a key, and how Alice asks for it. */
  readonly journal: Journal
  readonly outcomes: Outcomes
  readonly metrics: Registry
  /** A raw stream of Alice, or another peer, to Bob's server, as that peer holds it. */
  open(peer?: PeerId): Channel
  /** Breaks every stream, as a killed peer does. */
  cut(): void
}

export interface DuoOptions {
  readonly folder: string
  readonly admit?: () => void
  readonly config?: Parameters<typeof mcpConfig.parse>[0]
}

/** Bob offers services; Alice calls them. */
export async function duo({ folder, admit = () => {}, config = {} }: DuoOptions): Promise<Duo> {
  const knobs = mcpConfig.parse(config)
  const metrics = new Registry()
  const shared = {
    clock: systemClock,
    random: secureRandom,
    log: silentLog,
    metrics: mcpMetrics(metrics),
    network: 'test',
    version: '0',
  }
  const services = new Services({ ...shared, path: join(folder, 'services.json') }, knobs)
  let serve: (channel: Channel) => Promise<void> = async () => {}
  const streams = new Set<Channel>()
  const host = {
    self: BOB,
    handle: async (_: Protocol, handler: typeof serve) => {
      serve = handler
    },
    open: async () => open(),
    ping: async () => 1,
  }
  const open = (peer = ALICE) => {
    const [near, far] = channelPair(peer, BOB)
    streams.add(near)
    void serve(far).finally(() => streams.delete(near))
    return near
  }
  const journal = new Journal({ ...shared, store: new SqliteJournal(':memory:') }, knobs)
  const inbound = { ...shared, host, services, journal, policy: { admit } }
  const server = new InboundStreams(inbound, knobs)
  const sessions = new Sessions({ ...shared, host, metrics: shared.metrics }, knobs)
  const outcomes = new Outcomes({ ...shared, host }, knobs)
  const all = [services, server, sessions]
  for (const service of all) await service.start()
  const cut = () => {
    for (const stream of streams) stream.abort(new Error('cut'))
  }
  const stop = async () => {
    for (const service of all.toReversed()) await service.stop()
  }
  const parts = { services, sessions, server, journal, outcomes, metrics }
  return { ...parts, open, cut, [Symbol.asyncDispose]: stop }
}
