/**
 * Who was heard of on the topics, and how long ago; sans I/O. Whoever says nothing for two minutes
 * is taken to be gone, and whoever says that it leaves is gone at once.
 *
 * One address is one row, that of the binding with the highest version: a peer that the address has
 * left may go on talking and changes nothing.
 */

import type { Clock } from '../base/index.ts'
import type { EthAddress, PeerId } from '../identity/index.ts'
import { NOTICE_LIFE_MS, type StatusNumbers, type VerifiedNotice } from './notice.ts'

/** An agent that is here, by its own word. */
export interface AgentInfo {
  readonly address: EthAddress
  readonly peer: PeerId
  /** What it calls itself; nothing proves it. */
  readonly name: string
  /** When it started, in milliseconds since the Unix epoch. */
  readonly connectedSince: number
  /** When it was last heard. */
  readonly lastSeen: number
  /** Absent where it keeps its numbers to itself. */
  readonly status?: StatusNumbers
  /**
   * An agent of OpenPond's own nodes, which is written to in their form alone: whether its Ethereum
   * key has signed that it is at this peer, or only the peer says so.
   */
  readonly openpond?: 'signed' | 'unsigned'
}

/** An agent came, or went. */
export interface AgentChange {
  readonly agent: AgentInfo
  readonly state: 'here' | 'left'
}

/** More come and go than anybody reads: then who was heard longest ago makes room. */
const AGENTS_MAX = 4_096

interface Row {
  readonly info: AgentInfo
  readonly version: number
  readonly atMs: number
  readonly heardMs: number
}

export class Roster {
  readonly #clock: Pick<Clock, 'now'>
  readonly #changed: (change: AgentChange) => void
  /** The one heard longest ago first. */
  readonly #rows = new Map<EthAddress, Row>()

  constructor(clock: Pick<Clock, 'now'>, changed: (change: AgentChange) => void) {
    this.#clock = clock
    this.#changed = changed
  }

  heard({ record, name, isHere, atMs, sinceMs, status }: VerifiedNotice): void {
    const { address, peer, version } = record.binding
    const row = this.#rows.get(address)
    if (row !== undefined && isOlder({ version, atMs }, row)) return
    if (!isHere) {
      this.#drop(address)
      return
    }
    const heardMs = this.#clock.now()
    const known = status ?? (row?.info.peer === peer ? row.info.status : undefined)
    const said = { address, peer, name, connectedSince: sinceMs, lastSeen: heardMs }
    const info = known === undefined ? said : { ...said, status: known }
    this.#rows.delete(address)
    this.#rows.set(address, { info, version, atMs, heardMs })
    const [oldest] = this.#rows.keys()
    if (this.#rows.size > AGENTS_MAX && oldest !== undefined) this.#drop(oldest)
    if (row === undefined || row.info.peer !== peer) this.#changed({ agent: info, state: 'here' })
  }

  /** Whether somebody is here whose both keys hold for the address. */
  has(address: EthAddress): boolean {
    return this.#rows.has(address)
  }

  /** Tells of those that fell silent. */
  sweep(): void {
    const deadMs = this.#clock.now() - NOTICE_LIFE_MS
    for (const [address, { heardMs }] of this.#rows) {
      if (heardMs > deadMs) return
      this.#drop(address)
    }
  }

  /** Who is here, the one heard last first. */
  agents(): readonly AgentInfo[] {
    const deadMs = this.#clock.now() - NOTICE_LIFE_MS
    const live = [...this.#rows.values()].filter(({ heardMs }) => heardMs > deadMs)
    return live.map(({ info }) => info).reverse()
  }

  #drop(address: EthAddress): void {
    const row = this.#rows.get(address)
    if (!this.#rows.delete(address) || row === undefined) return
    this.#changed({ agent: row.info, state: 'left' })
  }
}

/** A binding that was replaced, or something said before what was heard already. */
function isOlder(said: Pick<Row, 'version' | 'atMs'>, known: Row): boolean {
  if (said.version !== known.version) return said.version < known.version
  return said.atMs < known.atMs
}
