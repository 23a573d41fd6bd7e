/**
 * Which agents of OpenPond's own nodes are here; sans I/O. An announcement there is the word of a
 * peer alone, so what it says is listed as unsigned until the key of the address says the same, in
 * a status; then no other peer can say it, for as long as that one is heard.
 */

import { type Clock, CodedError, type Logger, TtlMap } from '../base/index.ts'
import type { EthAddress, PeerId } from '../identity/index.ts'
import { NOTICE_LIFE_MS } from './notice.ts'
import { type OpenPondNotice, readOpenPondNotice } from './openpond-notice.ts'
import type { AgentChange, AgentInfo } from './roster.ts'

const AGENTS_MAX = 1_024
/** Signatures that are looked at, whoever sent them; at half a millisecond each. */
const SIGNATURES_PER_SECOND = 20
/** Of one peer one in so long: it says its status once a minute, and takes nothing from others. */
const SIGNATURE_EVERY_MS = 5_000

export interface OpenPondRosterDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Whether both keys of an agent of ours have bound this address: then nobody else is it. */
  readonly isBound: (address: EthAddress) => boolean
  readonly changed: (change: AgentChange) => void
}

interface Row {
  readonly info: AgentInfo
  readonly atMs: number
  readonly heardMs: number
}

export class OpenPondRoster {
  readonly #deps: OpenPondRosterDeps
  /** The one heard longest ago first. */
  readonly #rows = new Map<EthAddress, Row>()
  readonly #verifiedOf: TtlMap<PeerId, true>
  #second = { startMs: 0, used: 0 }

  constructor(deps: OpenPondRosterDeps) {
    this.#deps = deps
    const limits = { entriesMax: AGENTS_MAX, ttlMs: SIGNATURE_EVERY_MS }
    this.#verifiedOf = new TtlMap({ ...limits, clock: deps.clock })
  }

  /** Takes what `author` said of itself; what cannot be believed is passed over. */
  heard(bytes: Uint8Array, author: PeerId): void {
    const { clock, log, isBound } = this.#deps
    try {
      const notice = readOpenPondNotice(bytes, clock.now())
      if (notice.peer === author && !isBound(notice.address)) this.#note(notice, author)
    } catch (error) {
      const code = error instanceof CodedError ? (error as CodedError).code : 'BASE_BUG'
      log.debug('notice of OpenPond refused', { author, code, error })
    }
  }

  /** Tells of those that fell silent. */
  sweep(): void {
    const deadMs = this.#deps.clock.now() - NOTICE_LIFE_MS
    for (const [address, { heardMs }] of this.#rows) {
      if (heardMs > deadMs) return
      this.#drop(address)
    }
  }

  /** Who is here, the one heard last first. */
  agents(): readonly AgentInfo[] {
    const { clock, isBound } = this.#deps
    const deadMs = clock.now() - NOTICE_LIFE_MS
    const live = [...this.#rows.values()].filter(({ heardMs }) => heardMs > deadMs)
    return live
      .map(({ info }) => info)
      .filter(({ address }) => !isBound(address))
      .reverse()
  }

  #note(notice: OpenPondNotice, peer: PeerId): void {
    const { address, atMs, name, status } = notice
    const row = this.#rows.get(address)
    const isSame = row?.info.peer === peer
    const wasSigned = row?.info.openpond === 'signed'
    // What was heard already, or is older than what the key of the address has signed.
    if (row !== undefined && atMs <= row.atMs && (wasSigned || status === undefined)) return
    if (status !== undefined && !(this.#mayVerify(peer) && notice.isSigned())) return
    const isSigned = status !== undefined || (isSame && wasSigned)
    if (row !== undefined && !isSame && !isSigned) return
    const heardMs = this.#deps.clock.now()
    const known = isSame ? row.info : undefined
    const connectedSince =
      status === undefined
        ? (known?.connectedSince ?? heardMs)
        : Math.max(0, heardMs - 1_000 * status.uptimeSeconds)
    const numbers = status ?? known?.status
    const info: AgentInfo = {
      address,
      peer,
      name: name ?? known?.name ?? '',
      connectedSince,
      lastSeen: heardMs,
      ...(numbers !== undefined && { status: numbers }),
      openpond: isSigned ? 'signed' : 'unsigned',
    }
    this.#rows.delete(address)
    this.#rows.set(address, { info, atMs, heardMs })
    if (this.#rows.size > AGENTS_MAX) this.#makeRoom()
    if (!isSame && this.#rows.has(address)) this.#deps.changed({ agent: info, state: 'here' })
  }

  /** Who only says so goes first. */
  #makeRoom(): void {
    const [oldest] = this.#rows.keys()
    const unsigned = [...this.#rows].find(([, { info }]) => info.openpond === 'unsigned')?.[0]
    const address = unsigned ?? oldest
    if (address !== undefined) this.#drop(address)
  }

  #mayVerify(peer: PeerId): boolean {
    if (this.#verifiedOf.has(peer)) return false
    const nowMs = this.#deps.clock.now()
    if (nowMs - this.#second.startMs >= 1_000) this.#second = { startMs: nowMs, used: 0 }
    if (this.#second.used >= SIGNATURES_PER_SECOND) return false
    this.#second.used += 1
    this.#verifiedOf.set(peer, true)
    return true
  }

  #drop(address: EthAddress): void {
    const row = this.#rows.get(address)
    if (!this.#rows.delete(address) || row === undefined) return
    this.#deps.changed({ agent: row.info, state: 'left' })
  }
}
