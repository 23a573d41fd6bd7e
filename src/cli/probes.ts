/** What `p2p doctor` looks at: each probe tries the thing itself, and leaves nothing behind. */

import { createSocket } from 'node:dgram'
import { access, constants, readFile, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { dirname, join } from 'node:path'
import { loadKeys } from '../identity/index.ts'
import type {
  ClockFacts,
  FolderFacts,
  Ipv6Facts,
  KeyFacts,
  LockFacts,
  MulticastFacts,
  PortFacts,
} from './checks.ts'
import { KEY_FILE, LOCK_FILE, RUN_FILE } from './data-files.ts'

/** The eyes of the doctor, apart from what it thinks; a test has its own. */
export interface Probes {
  nodeVersion(): string
  folder(dataDir: string): Promise<FolderFacts>
  key(dataDir: string): Promise<KeyFacts>
  /** The default ports, each bound for a moment. */
  ports(): Promise<readonly PortFacts[]>
  /** IPv6 addresses of this machine other than its loopback, and whether there is a way out. */
  ipv6(): Promise<Ipv6Facts>
  lock(dataDir: string): Promise<LockFacts>
  clock(dataDir: string, nowMs: number): Promise<ClockFacts>
  multicast(): Promise<MulticastFacts>
}

/** The defaults of `docs/contract.md`. */
const PORTS: readonly Omit<PortFacts, 'free'>[] = [
  { port: 9000, kind: 'tcp', use: 'peers over TCP' },
  { port: 9001, kind: 'udp', use: 'peers over QUIC' },
  { port: 9002, kind: 'tcp', use: 'the control API' },
  { port: 8545, kind: 'tcp', use: 'the MCP gateway' },
]
const LOCAL_PORTS: readonly number[] = [9002, 8545]
/** SQLite's word for a lock that somebody else holds (sqlite.org/rescode.html). */
const BUSY = 5
/** RFC 6762 §3. */
const MDNS_PORT = 5353
const MDNS_GROUPS = { IPv4: '224.0.0.251', IPv6: 'ff02::fb' } as const

export const systemProbes: Probes = {
  nodeVersion: () => process.versions.node,
  folder,
  key,
  ports: () => Promise.all(PORTS.map(async (port) => ({ ...port, free: await isFree(port) }))),
  ipv6: async () => ({ addresses: ipv6Addresses(), hasRoute: await hasIpv6Route() }),
  lock,
  clock,
  multicast: async () => ({ IPv4: await joinGroup('IPv4'), IPv6: await joinGroup('IPv6') }),
}

async function folder(path: string): Promise<FolderFacts> {
  const found = await stat(path).catch(() => undefined)
  const nearest = found === undefined ? await existingParent(path) : path
  const { bavail, bsize } = await statfs(nearest)
  return {
    path,
    exists: found !== undefined,
    writable:
      (found?.isDirectory() ?? true) &&
      (await access(nearest, constants.W_OK | constants.X_OK).then(yes, no)),
    mode: found === undefined || process.platform === 'win32' ? undefined : found.mode & 0o777,
    freeBytes: bavail * bsize,
  }
}

async function existingParent(path: string): Promise<string> {
  const parent = dirname(path)
  if (parent === path || (await stat(parent).then(yes, no))) return parent
  return existingParent(parent)
}

async function key(dataDir: string): Promise<KeyFacts> {
  try {
    const keys = await loadKeys(join(dataDir, KEY_FILE))
    return keys === undefined ? { state: 'none' } : { state: 'sound', peerId: keys.signer.peer }
  } catch (error) {
    return { state: 'unusable', why: error instanceof Error ? error.message : String(error) }
  }
}

function isFree({ port, kind }: Omit<PortFacts, 'free'>): Promise<boolean> {
  const host = LOCAL_PORTS.includes(port) ? '127.0.0.1' : '0.0.0.0'
  return new Promise((answer) => {
    if (kind === 'udp') {
      const socket = createSocket('udp4')
      socket.once('error', () => socket.close(() => answer(false)))
      socket.bind({ port, address: host, exclusive: true }, () => socket.close(() => answer(true)))
      return
    }
    const server = createServer()
    server.once('error', () => answer(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => answer(true)))
  })
}

/** Any address of the IPv6 internet: connecting a UDP socket asks for a route and sends nothing. */
const FAR = '2000::1'

function hasIpv6Route(): Promise<boolean> {
  return new Promise((answer) => {
    const socket = createSocket('udp6')
    socket.once('error', () => socket.close(() => answer(false)))
    socket.connect(MDNS_PORT, FAR, () => socket.close(() => answer(true)))
  })
}

/** Asks the lock as a reader would, which a node that runs refuses. */
async function lock(dataDir: string): Promise<LockFacts> {
  const { pid } = (await runFileIn(dataDir)) ?? {}
  const file = join(dataDir, LOCK_FILE)
  if (!(await stat(file).then(yes, no))) return { held: false, pid }
  const { DatabaseSync } = await import('node:sqlite')
  try {
    using database = new DatabaseSync(file, { timeout: 0, readOnly: true })
    database.prepare('SELECT count(*) FROM sqlite_master').get()
    return { held: false, pid }
  } catch (error) {
    return { held: error instanceof Error && 'errcode' in error && error.errcode === BUSY, pid }
  }
}

async function runFileIn(dataDir: string): Promise<{ readonly pid: number } | undefined> {
  try {
    const run: unknown = JSON.parse(await readFile(join(dataDir, RUN_FILE), 'utf8'))
    const isRun = typeof run === 'object' && run !== null && 'pid' in run
    return isRun && typeof run.pid === 'number' ? { pid: run.pid } : undefined
  } catch {
    return undefined
  }
}

/** Where systemd-timesyncd says that it has set the clock (systemd-timesyncd.service(8)). */
const TIMESYNC = '/run/systemd/timesync/synchronized'

async function clock(dataDir: string, nowMs: number): Promise<ClockFacts> {
  const names = [LOCK_FILE, RUN_FILE, 'records.sqlite', 'peers.json', 'replay.json']
  const files = await Promise.all(names.map((name) => stat(join(dataDir, name)).catch(() => null)))
  const written = files.flatMap((found) => (found === null ? [] : [found.mtimeMs]))
  return {
    nowMs,
    synchronised: (await stat(TIMESYNC).then(yes, no)) || undefined,
    writtenMs: written.length === 0 ? undefined : Math.max(...written),
  }
}

function ipv6Addresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv6' && !internal)
    .map(({ address }) => address)
}

/** Why the group of mDNS cannot be joined on any interface, or `undefined` where it can. */
function joinGroup(family: 'IPv4' | 'IPv6'): Promise<string | undefined> {
  const interfaces = interfacesOf(family)
  if (interfaces.length === 0) return Promise.resolve('no interface but the loopback')
  return new Promise((answer) => {
    const socket = createSocket({ type: family === 'IPv4' ? 'udp4' : 'udp6', reuseAddr: true })
    socket.once('error', (error) => socket.close(() => answer(error.message)))
    socket.bind(MDNS_PORT, () => {
      const failures = interfaces.map((at) =>
        failureOf(() => {
          socket.addMembership(MDNS_GROUPS[family], at)
        }),
      )
      const works = failures.includes(undefined)
      socket.close(() => answer(works ? undefined : failures[0]))
    })
  })
}

/** Interfaces as `addMembership` names them: by address for IPv4, by scope for IPv6. */
function interfacesOf(family: 'IPv4' | 'IPv6'): string[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) => {
    const found = (addresses ?? []).find((each) => each.family === family && !each.internal)
    if (found === undefined) return []
    return [family === 'IPv4' ? found.address : `::%${name}`]
  })
}

function failureOf(work: () => void): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const yes = () => true
const no = () => false
