/** What `p2p doctor` looks at: each probe tries the thing itself, and leaves nothing behind. */

import { createSocket } from 'node:dgram'
import { access, constants, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { dirname, join } from 'node:path'
import { loadKeys } from '../identity/index.ts'
import type { FolderFacts, KeyFacts, MulticastFacts, PortFacts } from './checks.ts'
import { KEY_FILE } from './data-files.ts'

/** The eyes of the doctor, apart from what it thinks; a test has its own. */
export interface Probes {
  nodeVersion(): string
  folder(dataDir: string): Promise<FolderFacts>
  key(dataDir: string): Promise<KeyFacts>
  /** The default ports, each bound for a moment. */
  ports(): Promise<readonly PortFacts[]>
  /** IPv6 addresses of this machine other than its loopback. */
  ipv6Addresses(): readonly string[]
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
/** RFC 6762 §3. */
const MDNS_PORT = 5353
const MDNS_GROUPS = { IPv4: '224.0.0.251', IPv6: 'ff02::fb' } as const

export const systemProbes: Probes = {
  nodeVersion: () => process.versions.node,
  folder,
  key,
  ports: () => Promise.all(PORTS.map(async (port) => ({ ...port, free: await isFree(port) }))),
  ipv6Addresses,
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
