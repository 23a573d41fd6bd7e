/** What `p2p doctor` thinks of what it saw: facts in, findings out, nothing touched. */

import { scopeOf } from '../ip/index.ts'
import type { Facility, HealthReport } from '../node/index.ts'

export type Verdict = 'ok' | 'warn' | 'failed'

export interface Finding {
  readonly check: string
  readonly verdict: Verdict
  /** What was seen. */
  readonly found: string
  /** What to do about it; only where something is to be done. */
  readonly remedy?: string
}

/** The data folder as it stands on the disk. */
export interface FolderFacts {
  readonly path: string
  readonly exists: boolean
  readonly writable: boolean
  /** Permission bits, where the platform has them. */
  readonly mode: number | undefined
  readonly freeBytes: number
}

export type KeyFacts =
  | { readonly state: 'none' }
  | { readonly state: 'sound'; readonly peerId: string }
  | { readonly state: 'unusable'; readonly why: string }

export interface PortFacts {
  readonly port: number
  readonly kind: 'tcp' | 'udp'
  readonly use: string
  readonly free: boolean
  /** Who holds it, where that can be seen. */
  readonly holder?: string | undefined
}

/** The lock of the data folder, and what the last node left in `node.json`. */
export interface LockFacts {
  readonly held: boolean
  /** The process that `node.json` names; undefined where there is no such file. */
  readonly pid: number | undefined
}

/** The clock of this machine, and whether a service keeps it right where that can be seen. */
export interface ClockFacts {
  readonly nowMs: number
  readonly synchronised: boolean | undefined
  /** The newest time that the data folder was written at. */
  readonly writtenMs: number | undefined
}

/** Whether packets to the IPv6 internet have a way out of this machine. */
export interface Ipv6Facts {
  readonly addresses: readonly string[]
  readonly hasRoute: boolean
}

export type MulticastFacts = Readonly<Record<'IPv4' | 'IPv6', string | undefined>>

const NODE_MAJOR_MIN = 24
const FREE_BYTES_MIN = 100 * 1024 * 1024
const OTHERS = 0o077

export function nodeVersion(version: string): Finding {
  const check = 'Node.js'
  if (Number(version.split('.')[0]) >= NODE_MAJOR_MIN)
    return { check, verdict: 'ok', found: version }
  const remedy = `Run "npm install" in the folder of p2p-foundation, or install ${NODE_MAJOR_MIN}`
  return { check, verdict: 'failed', found: version, remedy }
}

export function dataFolder({ path, exists, writable, mode, freeBytes }: FolderFacts): Finding {
  const check = 'Data folder'
  if (!writable) {
    const found = exists ? `${path} cannot be written` : `${path} cannot be made`
    return {
      check,
      verdict: 'failed',
      found,
      remedy: 'Mend its rights, or use another with --data',
    }
  }
  if (freeBytes < FREE_BYTES_MIN) {
    const found = `${path} has ${Math.floor(freeBytes / 1024 / 1024)} MiB left`
    return { check, verdict: 'warn', found, remedy: 'Free some space, or use another with --data' }
  }
  if (!exists) return { check, verdict: 'ok', found: `${path} will be made by the first start` }
  if (mode !== undefined && (mode & OTHERS) !== 0) {
    const found = `${path} has mode ${mode.toString(8)}, so others can look into it`
    return { check, verdict: 'warn', found, remedy: `chmod 700 ${path}` }
  }
  return { check, verdict: 'ok', found: path }
}

export function identityKey(key: KeyFacts): Finding {
  const check = 'Key'
  if (key.state === 'none') return { check, verdict: 'ok', found: 'made by the first start' }
  if (key.state === 'sound') return { check, verdict: 'ok', found: key.peerId }
  const remedy = 'Do what the sentence says; the key file is never changed by itself'
  return { check, verdict: 'failed', found: key.why, remedy }
}

/** A port of our own node is not busy but in use as it should be. */
export function port({ port: number, kind, use, free, holder }: PortFacts): Finding {
  const check = `Port ${number}/${kind}`
  if (free) return { check, verdict: 'ok', found: `free for ${use}` }
  const remedy =
    'A start takes the next free port; name another one in the configuration to be sure'
  const found = `${holder ?? 'another program'} holds it (${use})`
  return { check, verdict: 'warn', found, remedy }
}

export function quic({ state, reason, remedy }: Facility): Finding {
  const check = 'QUIC'
  if (state === 'active') return { check, verdict: 'ok', found: 'its library loads' }
  const found = reason ?? state
  return { check, verdict: 'warn', found, remedy: remedy ?? 'Peers are reached over TCP instead' }
}

export function ipv6({ addresses, hasRoute }: Ipv6Facts): Finding {
  const check = 'IPv6'
  const global = addresses.filter((address) => scopeOf(withoutZone(address)) === 'global')
  const remedy = 'Ask the network for IPv6; until then peers are reached over IPv4 only'
  if (global.length === 0) {
    const found = addresses.length > 0 ? NONE_GLOBAL : 'no address'
    return { check, verdict: 'warn', found, remedy }
  }
  const found = global.slice(0, 3).join(', ')
  if (hasRoute) return { check, verdict: 'ok', found: `${found}, with a route to the internet` }
  return { check, verdict: 'warn', found: `${found}, but no route to the internet`, remedy }
}

/** `fe80::1%eth0` (RFC 4007 §11): some platforms write it. */
function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? ''
}

const NONE_GLOBAL = 'no address that the internet knows, only such of the link or of this network'

/** `answers` is whether a node could be asked over its API. */
export function folderLock({ held, pid }: LockFacts, answers: boolean): Finding {
  const check = 'Lock'
  const who = pid === undefined ? 'a process' : `process ${pid}`
  if (held && answers) return { check, verdict: 'ok', found: `held by the running node (${who})` }
  if (held) {
    const found = `${who} holds the data folder, but no node answers for it`
    const remedy = 'Wait a moment if it is just starting or stopping; else end that process'
    return { check, verdict: 'failed', found, remedy }
  }
  if (pid === undefined) return { check, verdict: 'ok', found: 'free' }
  const found = `free, but node.json of ${who} is still there: that node did not stop cleanly`
  return { check, verdict: 'warn', found, remedy: 'Nothing: the next start replaces it' }
}

/** No release of this software is older. */
const RELEASED_MS = 1_767_225_600_000
const AHEAD_MS = 60_000

export function clockSanity({ nowMs, synchronised, writtenMs }: ClockFacts): Finding {
  const check = 'Clock'
  const now = new Date(nowMs).toISOString()
  const remedy = 'Set the clock, or let a time service do it: records are refused by their dates'
  if (nowMs < RELEASED_MS) {
    return { check, verdict: 'failed', found: `it says ${now}, before this software was`, remedy }
  }
  if (writtenMs !== undefined && writtenMs > nowMs + AHEAD_MS) {
    const found = `it says ${now}, but the data folder was written later than that`
    return { check, verdict: 'failed', found, remedy }
  }
  if (synchronised === false) {
    return { check, verdict: 'warn', found: `${now}, kept by no time service`, remedy }
  }
  return { check, verdict: 'ok', found: synchronised === true ? `${now}, synchronised` : now }
}

/** `problem` is what a start would say of the configuration. */
export function configuration(file: string | undefined, problem: string | undefined): Finding {
  const check = 'Configuration'
  if (problem === undefined) {
    return { check, verdict: 'ok', found: file ?? 'the defaults: there is no file' }
  }
  return { check, verdict: 'failed', found: problem, remedy: 'See also: p2p config check' }
}

/** `facts` hold why a family does not work, or nothing where it does. */
export function multicast(facts: MulticastFacts): Finding {
  const check = 'Multicast'
  const broken = Object.entries(facts).filter(([, why]) => why !== undefined)
  if (broken.length === 0) return { check, verdict: 'ok', found: 'mDNS works over IPv4 and IPv6' }
  const found = broken.map(([family, why]) => `${family}: ${why}`).join('; ')
  const remedy = 'Peers on this link may not be found by themselves; name one with --bootstrap'
  return { check, verdict: 'warn', found, remedy }
}

export function runningNode(health: HealthReport | undefined): Finding {
  const check = 'Node'
  if (health === undefined) {
    return { check, verdict: 'ok', found: 'none runs on this data folder' }
  }
  const found = [health.status, ...health.reasons].join('; ')
  const verdicts = { ok: 'ok', degraded: 'warn', failing: 'failed' } as const
  return { check, verdict: verdicts[health.status], found }
}
