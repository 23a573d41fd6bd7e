/**
 * How others see us: addresses that peers report (identify's observed address), believed when
 * enough of them agree that do not sit in one network. Sans I/O.
 *
 * A reporter counts once for its network (IPv4 /16, IPv6 /32), so that one data centre full of
 * liars is one voice. Four voices are wanted; while fewer networks report at all, fewer do, and the
 * verdict says so. What a reporter says replaces what it said before.
 */

import { type Clock, TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { groupOf } from '../ip/index.ts'

/** One address as one peer sees it. */
export interface Report {
  readonly reporter: PeerId
  /** Where the reporter is. */
  readonly reporterIp: string
  /** Which kind of port it speaks of. */
  readonly transport: 'quic' | 'tcp'
  readonly ip: string
  readonly port: number
  /** The connection uses the port that we listen on: else only the IP address means something. */
  readonly fromListenPort: boolean
}

/** With its network, which is looked at with every peer that comes. */
type Kept = Report & { readonly network: string }

/** What is believed of one address, and on whose word. */
export interface Believed {
  readonly transport: 'quic' | 'tcp'
  readonly ip: string
  /** Undefined while only dials from other ports were seen. */
  readonly port: number | undefined
  /** Networks that agree, and how many were wanted. */
  readonly voices: number
  readonly wanted: number
  /** Fewer than four networks report at all, so fewer were wanted. */
  readonly few: boolean
  readonly reporters: readonly PeerId[]
}

/**
 * How the NAT before us maps one port to the outside (RFC 4787 §4.1): the same for every peer, or
 * another for each, which nobody can punch through.
 */
export type Mapping = 'none' | 'endpoint-independent' | 'endpoint-dependent' | 'unknown'

const VOICES_WANTED = 4
const REPORTERS_MAX = 256
const REPORT_MS = 3_600_000
const NETWORK_BITS = { v4: 16, v6: 32 }

export class ObservedAddresses {
  /** The last word of each reporter on each kind of port. */
  readonly #reports: TtlMap<string, Kept>

  constructor(clock: Clock) {
    this.#reports = new TtlMap({ entriesMax: REPORTERS_MAX, ttlMs: REPORT_MS, clock })
  }

  add(report: Report): void {
    const family = report.ip.includes(':') ? 6 : 4
    const key = `${report.reporter} ${report.transport} ${family} ${report.fromListenPort}`
    this.#reports.set(key, { ...report, network: groupOf(report.reporterIp, NETWORK_BITS) })
  }

  /** Forgets what was reported of our own addresses before they changed. */
  clear(): void {
    for (const [key] of this.#reports.entries()) this.#reports.delete(key)
  }

  /** IP addresses that enough networks report, whatever the port, best first. */
  ips(family: 4 | 6): readonly Believed[] {
    const of = this.#all().filter(({ ip }) => isOf(ip, family))
    return this.#believed(of, ({ ip }) => ip).map((one) => ({ ...one, port: undefined }))
  }

  /** Addresses that stand for ports that we listen on, best first. */
  endpoints(): readonly Believed[] {
    const shared = this.#all().filter(({ fromListenPort }) => fromListenPort)
    const kinds = Map.groupBy(shared, ({ transport, ip }) => `${transport} ${ip.includes(':')}`)
    return [...kinds.values()].flatMap((of) =>
      this.#believed(of, ({ ip, port }) => `${ip} ${port}`),
    )
  }

  /** Every such address that anybody reported lately, newest first: what may be worth a punch. */
  candidates(): readonly Pick<Report, 'transport' | 'ip' | 'port'>[] {
    const shared = this.#all().filter(({ fromListenPort }) => fromListenPort)
    const seen = new Map<string, Report>()
    for (const report of shared) {
      const key = `${report.transport} ${report.ip} ${report.port}`
      if (!seen.has(key)) seen.set(key, report)
    }
    return [...seen.values()]
  }

  /** Of one kind of port; `own` are the addresses of this machine. */
  mapping(transport: 'quic' | 'tcp', own: ReadonlySet<string>): Mapping {
    const reports = this.#all().filter((one) => one.transport === transport && isOf(one.ip, 4))
    const [first] = this.#believed(reports, ({ ip }) => ip)
    if (first === undefined) return 'unknown'
    if (own.has(first.ip)) return 'none'
    const shared = reports.filter(({ fromListenPort }) => fromListenPort)
    const byReporterIp = new Map(shared.map((report) => [report.reporterIp, report]))
    const ports = new Set([...byReporterIp.values()].map(({ ip, port }) => `${ip} ${port}`))
    if (byReporterIp.size < 2) return 'unknown'
    return ports.size === 1 ? 'endpoint-independent' : 'endpoint-dependent'
  }

  #all(): readonly Kept[] {
    return this.#reports.entries().map(([, report]) => report)
  }

  /** Groups of reports that say the same, if enough networks do, most voices first. */
  #believed(reports: readonly Kept[], said: (report: Report) => string): readonly Believed[] {
    const networks = new Set(reports.map(({ network }) => network)).size
    const wanted = Math.max(1, Math.min(VOICES_WANTED, networks))
    return [...Map.groupBy(reports, said).values()]
      .flatMap((same): Believed[] => {
        const [first] = same
        const voices = new Set(same.map(({ network }) => network)).size
        // Where networks disagree and are few, the most of them decide.
        const enough = wanted < VOICES_WANTED ? Math.floor(networks / 2) + 1 : wanted
        if (first === undefined || voices < enough) return []
        const reporters = [...new Set(same.map(({ reporter }) => reporter))].slice(0, 16)
        const { transport, ip, port } = first
        const few = networks < VOICES_WANTED
        return [{ transport, ip, port, voices, wanted: enough, few, reporters }]
      })
      .sort((a, b) => b.voices - a.voices)
  }
}

function isOf(ip: string, family: 4 | 6): boolean {
  return ip.includes(':') === (family === 6)
}
