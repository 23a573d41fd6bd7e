/**
 * How others see us, and whether they reach us: puts together what peers report, what they find
 * when they dial us, and what routers map, and acts on it. A node behind a NAT gets relays, and the
 * hub that makes it punchable; a public one announces what was verified, and may relay for others.
 */

import type { Connection, IdentifyResult } from '@libp2p/interface'
import { type Clock, every, type Logger, TtlMap } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Scope } from '../ip/index.ts'
import type { Autonat } from './autonat.ts'
import { DIAL_REQUEST_PROTOCOL } from './autonat-protocol.ts'
import type { NetConfig } from './config.ts'
import { DialBackServers } from './dial-back-servers.ts'
import { reasonOf } from './errors.ts'
import { ObservedAddresses } from './observed.ts'
import { addressOfConnection, ipOfConnection, isRelayed, notePath, pathOf } from './paths.ts'
import { type ReachabilityReport, reasonFor, textOf } from './reachability-report.ts'
import { type Address, parseAny, reaches, scopeOfAddress } from './transports.ts'
import { Verdicts } from './verdict.ts'

export interface ReachabilityDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly autonat: Pick<Autonat, 'ask'>
  /** How far an address must reach to be one for everybody. */
  readonly scope: Scope
  /** Addresses that we listen on, of every interface. */
  listening(): readonly string[]
  connections(): readonly Connection[]
  protocolsOf(peer: PeerId): Promise<readonly string[]>
  /** Whether a connection uses the port that we listen on. */
  isFromListenPort(connection: Connection): boolean
  /** The verdict, or what it rests on, is new. */
  changed(report: ReachabilityReport): void
}

export type ReachabilityConfig = Pick<
  NetConfig,
  'autonat' | 'negotiationTimeoutMs' | 'addressTimeoutMs'
>

const ROUND_MS = 30_000
/** A verdict is looked at again after this. */
const STALE_MS = 600_000
const ASKED_PER_ADDRESS_MAX = 4
const ASK_PAUSE_MS = 60_000
const ASKED_MAX = 512
const CANDIDATES_MAX = 12
/** What comes within this is judged together: each peer that comes has something to say. */
const JUDGE_MS = 250

export class Reachability {
  readonly #deps: ReachabilityDeps
  readonly #config: ReachabilityConfig
  readonly #observed: ObservedAddresses
  readonly #verdicts: Verdicts
  readonly #servers: DialBackServers
  readonly #stopped = new AbortController()
  #mapped: readonly string[] = []
  #said = ''
  #report: ReachabilityReport
  #asking: Promise<void> | undefined
  #again = false
  #judgedAtMs = 0
  #isDue = false
  /** Address and network: who did not answer is not asked again at once. */
  readonly #asked: TtlMap<string, number>

  constructor(deps: ReachabilityDeps, config: ReachabilityConfig) {
    this.#deps = deps
    this.#config = config
    this.#observed = new ObservedAddresses(deps.clock)
    this.#verdicts = new Verdicts(deps.clock)
    const { clock, scope } = deps
    this.#servers = new DialBackServers(scope, () => deps.connections())
    this.#asked = new TtlMap({ entriesMax: ASKED_MAX, ttlMs: ASK_PAUSE_MS, clock })
    this.#report = this.#judge()
  }

  start(): void {
    void every(this.#deps.clock, ROUND_MS, () => this.refresh(), this.#stopped.signal)
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#asking
  }

  report(): ReachabilityReport {
    return this.#report
  }

  /** Ports of ours as anybody saw them lately: what a peer may try to punch through to. */
  punchable(): readonly string[] {
    const seen = this.#observed.candidates().map((one) => textOf(one))
    // Those that nobody reached unasked may be reached by whom we send to at the same time.
    return [...new Set([...seen, ...this.#report.addresses.map(({ address }) => address)])]
  }

  /** Global addresses of this machine, of routers that map to it, and those found to be public. */
  announced(): readonly string[] {
    const own = new Set([...this.#ownGlobal(), ...this.#mapped])
    return this.#report.addresses
      .filter(({ address, verdict }) => {
        return verdict === 'public' || (verdict === 'unknown' && own.has(address))
      })
      .map(({ address }) => address)
  }

  /** What routers map to our ports, from now on. */
  mapped(addresses: readonly string[]): void {
    this.#mapped = addresses
    this.#refresh()
  }

  /** Our own addresses have changed: what was seen before says nothing of now. */
  forget(): void {
    this.#observed.clear()
    this.#verdicts.clear()
    this.#refresh()
  }

  /** A peer has said how it sees us, and by connecting perhaps that it reaches us. */
  identified({ connection, observedAddr }: Pick<IdentifyResult, 'connection' | 'observedAddr'>) {
    const reporterIp = ipOfConnection(connection)
    if (observedAddr === undefined || reporterIp === undefined || isRelayed(connection)) return
    const { scope, clock, isFromListenPort } = this.#deps
    const seen = tryParse(observedAddr.toString())
    const via = addressOfConnection(connection)
    const ip = seen?.host?.value
    if (seen?.port === undefined || ip === undefined || seen.transport !== via.transport) return
    if (seen.transport !== 'quic' && seen.transport !== 'tcp') return
    if (!reaches(seen, scope) || !reaches(via, scope)) return
    const reporter = peerId(connection.remotePeer.toString())
    const { transport, port, text } = seen
    const fromListenPort = isFromListenPort(connection)
    this.#observed.add({ reporter, reporterIp, transport, ip, port, fromListenPort })
    // Whoever dialled us sees us where it dialled: only this side knows that a router forwards it.
    const isDirect = connection.direction === 'inbound' && pathOf(connection) === 'direct'
    if (isDirect && this.#mapped.includes(text)) notePath(connection, 'mapped')
    const isInvited = pathOf(connection) === 'punched' || this.#hasCircuit(reporter)
    if (connection.direction === 'inbound' && !isInvited && this.#candidates().includes(text)) {
      const evidence = { by: reporter, from: reporterIp, atMs: clock.now() }
      this.#verdicts.add(text, { ...evidence, what: 'connected' })
    }
    this.refresh()
  }

  /** Judges anew, at once or soon. */
  refresh(): void {
    const { clock } = this.#deps
    const waitMs = Math.min(JUDGE_MS, this.#judgedAtMs + JUDGE_MS - clock.now())
    if (waitMs <= 0) this.#refresh()
    if (waitMs <= 0 || this.#isDue) return
    this.#isDue = true
    const due = () => {
      this.#isDue = false
      this.#refresh()
    }
    clock.sleep(waitMs, this.#stopped.signal).then(due, () => undefined)
  }

  /** Has peers dial us where it is not settled whether they reach us. */
  #refresh(): void {
    if (this.#stopped.signal.aborted) return
    this.#judgedAtMs = this.#deps.clock.now()
    this.#report = this.#judge()
    const said = JSON.stringify([this.#report.verdict, this.#report.nat, this.announced()])
    if (said !== this.#said) {
      this.#said = said
      this.#deps.changed(this.#report)
    }
    if (!this.#config.autonat) return
    if (this.#asking !== undefined) {
      this.#again = true
      return
    }
    this.#asking = this.#ask()
      .catch((error: unknown) => {
        this.#deps.log.error('asking for dial-backs ended', { error })
      })
      .finally(() => {
        this.#asking = undefined
        const again = this.#again
        this.#again = false
        if (again) this.refresh()
      })
  }

  #judge(): ReachabilityReport {
    const own = this.#ownIps()
    const [ip] = own.size === 0 ? [] : this.#observed.ips(4)
    const found = ip === undefined ? undefined : !own.has(ip.ip)
    const networks = this.#servers.list().length
    const addresses = this.#candidates().map((address) => this.#verdicts.of(address, networks))
    const isPublic = addresses.some(({ verdict }) => verdict === 'public')
    const isMissed = addresses.length > 0 && addresses.every((one) => one.verdict === 'private')
    const verdict = isPublic ? 'public' : found === true || isMissed ? 'private' : 'unknown'
    const nat = {
      found,
      ip: ip?.ip,
      quic: this.#observed.mapping('quic', own),
      tcp: this.#observed.mapping('tcp', own),
    }
    const observed = this.#observed.endpoints()
    const reason = reasonFor(verdict, { addresses, natIp: found === true ? ip : undefined })
    return { verdict, reason, addresses, observed, nat }
  }

  /** Addresses that everybody could dial, if nothing stands between. */
  #candidates(): readonly string[] {
    const seen = this.#observed.endpoints().map(({ transport, ip, port = 0 }) => {
      return textOf({ transport, ip, port })
    })
    return [...new Set([...this.#ownGlobal(), ...this.#mapped, ...seen])].slice(0, CANDIDATES_MAX)
  }

  /** None for a node that listens to its own machine alone, and is not to be reached by others. */
  #ownIps(): ReadonlySet<string> {
    const all = this.#deps.listening().flatMap((text) => tryParse(text) ?? [])
    const isOpen = all.some((address) => {
      return this.#deps.scope === 'loopback' || scopeOfAddress(address) !== 'loopback'
    })
    return new Set(isOpen ? all.map(({ host }) => host?.value ?? '') : [])
  }

  #ownGlobal(): readonly string[] {
    return this.#deps
      .listening()
      .flatMap((text) => tryParse(text) ?? [])
      .filter((address) => address.transport === 'quic' || address.transport === 'tcp')
      .filter((address) => reaches(address, this.#deps.scope))
      .map(({ text }) => text)
  }

  async #ask(): Promise<void> {
    const sinceMs = this.#deps.clock.now() - STALE_MS
    // At the same time: each that is not reached takes seconds to say so.
    const servers = this.#servers.list()
    const asking = this.#candidates().map((address) => this.#askAbout(address, servers, sinceMs))
    await Promise.all(asking)
  }

  async #askAbout(address: string, servers: readonly Connection[], sinceMs: number): Promise<void> {
    let asked = 0
    for (const server of servers) {
      const from = ipOfConnection(server)
      if (asked >= ASKED_PER_ADDRESS_MAX || this.#stopped.signal.aborted) break
      if (from === undefined || this.#isBesideUs(from, address)) continue
      if (this.#verdicts.heard(address, from, sinceMs)) continue
      if (this.#asked.has(`${address} ${from}`)) continue
      const by = peerId(server.remotePeer.toString())
      if (!(await this.#deps.protocolsOf(by)).includes(DIAL_REQUEST_PROTOCOL)) continue
      asked += 1
      this.#asked.set(`${address} ${from}`, asked)
      await this.#askOne(server, { address, by, from })
    }
  }

  async #askOne(
    server: Connection,
    { address, by, from }: { address: string; by: PeerId; from: string },
  ): Promise<void> {
    const { clock, autonat, log } = this.#deps
    const { addressTimeoutMs, negotiationTimeoutMs } = this.#config
    using time = clock.deadline(addressTimeoutMs + negotiationTimeoutMs, this.#stopped.signal)
    try {
      const answer = await autonat.ask(server, [address], time.signal)
      if (answer === undefined) return
      const what = answer.reached ? 'dialled back' : 'not reached'
      this.#verdicts.add(address, { by, from, atMs: clock.now(), what })
      this.#again = true
    } catch (error) {
      log.debug('no dial-back', { peer: by, why: reasonOf(error) })
    }
  }

  /** Whoever is behind the same router comes to our address another way than others do. */
  #isBesideUs(ip: string, address: string): boolean {
    return this.#deps.scope === 'global' && parseAny(address).host?.value === ip
  }

  #hasCircuit(peer: PeerId): boolean {
    return this.#deps.connections().some((one) => {
      return isRelayed(one) && one.remotePeer.toString() === peer
    })
  }
}

function tryParse(text: string): Address | undefined {
  try {
    return parseAny(text)
  } catch {
    return undefined
  }
}
