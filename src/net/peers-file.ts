/**
 * Peers of earlier runs, so that a node finds its network again with no first peer configured.
 *
 *   peers.json   {"version": 1, "peers": [{"peer", "addresses", "seenAtMs", "dialled"}, …]}
 *
 * The file is written whole to a draft and renamed into place. One that cannot be read as it was
 * written is set aside as `peers.json.broken`: it is worth a warning, not a node that won't start.
 * Whoever dials us could fill the list, so peers that we reached ourselves are kept before those.
 */

import { constants } from 'node:fs'
import { rename } from 'node:fs/promises'
import { type Clock, type Logger, type Random, readBounded, writeWhole } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { isJsonObject, type Json, parseJson, WireError } from '../wire/index.ts'
import { reasonOf } from './errors.ts'
import { parseMultiaddr } from './transports.ts'

export const REMEMBERED_MAX = 128
export const ADDRESSES_MAX = 8
const ADDRESS_CHARS_MAX = 256
const FILE_BYTES_MAX = 512 * 1_024
const VERSION = 1
/** No symbolic link in place of the file, and no waiting for the writer of a pipe. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** A peer that was connected once, and where. */
export interface RememberedPeer {
  readonly peer: PeerId
  /** Without the peer id. */
  readonly addresses: readonly string[]
  readonly seenAtMs: number
  /** Whether we reached it; else it only ever came to us. */
  readonly dialled: boolean
}

/** What the file needs: where it is, and whom to tell when it is broken. */
export interface PeersFileDeps {
  /** Without one, peers are remembered for as long as the node runs. */
  readonly file: string | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export class PeersFile {
  readonly #deps: PeersFileDeps
  #peers = new Map<PeerId, RememberedPeer>()
  #changed = false

  constructor(deps: PeersFileDeps) {
    this.#deps = deps
  }

  get peers(): readonly RememberedPeer[] {
    return [...this.#peers.values()]
  }

  /** Reads what is there. Whatever is wrong with the file, the node goes on without it. */
  async load(): Promise<void> {
    const { file, log } = this.#deps
    if (file === undefined) return
    let text: string | undefined
    try {
      text = await readBounded(file, { bytesMax: FILE_BYTES_MAX, flags: READ_FLAGS })
    } catch (error) {
      log.warn('remembered peers not read', { file, error })
      return
    }
    if (text === undefined) return
    try {
      const peers = parsePeers(text)
      this.#peers = new Map(peers.map((remembered) => [remembered.peer, remembered]))
    } catch (error) {
      const aside = `${file}.broken`
      await rename(file, aside).catch(() => undefined)
      log.warn('remembered peers broken and set aside', { file, aside, error })
    }
  }

  /** Remembers a peer that is connected now. */
  note(peer: PeerId, addresses: readonly string[], dialled: boolean): void {
    const known = this.#peers.get(peer)
    const usable = addresses.filter(isUsable).slice(0, ADDRESSES_MAX)
    const kept = usable.length > 0 ? usable : (known?.addresses ?? [])
    if (kept.length === 0) return
    const seenAtMs = this.#deps.clock.now()
    const reached = dialled || known?.dialled === true
    this.#peers.set(peer, { peer, addresses: kept, seenAtMs, dialled: reached })
    if (this.#peers.size > REMEMBERED_MAX) {
      const least = [...this.#peers.values()].sort(byWorth).at(-1)
      if (least !== undefined) this.#peers.delete(least.peer)
    }
    this.#changed = true
  }

  /** Writes what changed since the last time; a disk that refuses costs a warning. */
  async save(): Promise<void> {
    const { file, random, log } = this.#deps
    if (!this.#changed || file === undefined) return
    this.#changed = false
    const text = `${JSON.stringify({ version: VERSION, peers: this.peers })}\n`
    try {
      await writeWhole(file, text, { random })
    } catch (error) {
      this.#changed = true
      log.warn('remembered peers not written', { file, reason: reasonOf(error) })
    }
  }
}

/** Whom we reached comes first, then who was seen last. */
function byWorth(a: RememberedPeer, b: RememberedPeer): number {
  return Number(b.dialled) - Number(a.dialled) || b.seenAtMs - a.seenAtMs
}

/** Reads the text of the file; whatever is not as we write it is refused with a code. */
export function parsePeers(text: string): RememberedPeer[] {
  const whole = parseJson(text, 'peers file', { bytesMax: FILE_BYTES_MAX })
  if (!isJsonObject(whole) || whole.version !== VERSION || !Array.isArray(whole.peers)) {
    throw malformed(`something else than version ${VERSION} with a list of peers`)
  }
  return (whole.peers as readonly Json[]).slice(0, REMEMBERED_MAX).map(parsePeer)
}

function parsePeer(entry: Json): RememberedPeer {
  const { peer, addresses, seenAtMs, dialled } = isJsonObject(entry) ? entry : {}
  if (
    typeof peer !== 'string' ||
    !Array.isArray(addresses) ||
    typeof seenAtMs !== 'number' ||
    typeof dialled !== 'boolean'
  ) {
    throw malformed('an entry that lacks a field or has it wrong')
  }
  const texts = (addresses as readonly Json[]).slice(0, ADDRESSES_MAX).map((address) => {
    if (typeof address === 'string' && isUsable(address)) return address
    throw malformed('an entry with an address that we cannot dial')
  })
  return { peer: peerId(peer), addresses: texts, seenAtMs, dialled }
}

function malformed(found: string) {
  return WireError.MALFORMED({ field: 'peers file', found })
}

function isUsable(address: string): boolean {
  if (address.length > ADDRESS_CHARS_MAX) return false
  try {
    return parseMultiaddr(address).peer === undefined
  } catch {
    return false
  }
}
