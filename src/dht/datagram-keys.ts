/**
 * The keys of the datagram face: one for each peer, direction and run of the sender, and the window
 * that lets each packet count once. Sans I/O.
 *
 *   secret = X25519 of the two identities
 *   key    = HKDF-SHA256(secret, salt: network, info: domain · sender · receiver · sender's boot)
 *   packet = ChaCha20-Poly1305(key, nonce: 32 zero bits · counter, authenticated: head [· boot])
 *
 * An answer also authenticates the boot of whoever asked. Peers are kept only once a packet of
 * theirs has opened, or when we want to ask them: forged senders cost work, never memory. Who only
 * asked early is kept apart from those whose address is proven, and pushes out none of them.
 */

import { hkdfSync } from 'node:crypto'
import { assert, concatBytes, utf8 } from '../base/index.ts'
import { type Agreement, type PeerId, peerIdFromPublicKey } from '../identity/index.ts'
import type { UdpEndpoint } from '../net/index.ts'
import { opened, sealed } from './datagram-cipher.ts'
import type { AnswerPacket, QuestionPacket } from './datagram-packet.ts'
import { CounterWindow } from './datagram-window.ts'

const DOMAIN = 'p2p-foundation dht datagram 1'
const KEY_BYTES = 32
const PEERS_MAX = 2_048
/** Peers that asked early, and have not proven their address. */
const NEWCOMERS_MAX = 512
/** A peer that was just started anew still has packets of its last run on their way. */
const RUNS_MAX = 2

/** What we share with one peer. */
export interface PeerKeys {
  readonly peer: PeerId
  readonly secret: Uint8Array
  /** For what we send; made when first needed. */
  sending: Uint8Array | undefined
  /** For what it sends, newest run first. */
  runs: readonly Run[]
  /** The cookie that its last question came with, found good for that address. */
  shown: Shown | undefined
  /** As for all peers below, for runs of this one alone: else who restarts shuts others out. */
  forgottenMs: number
}

/** A cookie that was checked, so that the next question with it need not be. */
export interface Shown {
  readonly cookie: Uint8Array
  readonly from: UdpEndpoint
  readonly issuedMs: number
  /** Not a cookie: when the question was sealed, at the earliest. It proves no address. */
  readonly early?: true
}

/** One run of a peer's process. */
interface Run {
  readonly boot: string
  readonly key: Uint8Array
  readonly seen: CounterWindow
  /** A cookie as old as this may be that of a packet which an earlier window saw. */
  readonly sinceMs: number
  /** The same for early questions. */
  readonly earlySinceMs: number
  /** When its last question was opened. */
  usedMs: number
}

export interface DatagramKeysDeps {
  readonly self: PeerId
  readonly network: string
  readonly agreement: Agreement
  /** The number of this run. */
  readonly boot: Uint8Array
  /** When this run began: what was sealed before may have been opened by an earlier one. */
  readonly startedMs: number
}

/** What became of a question's packet. */
export type Opened =
  | { readonly kind: 'opened'; readonly peer: PeerId; readonly body: Uint8Array }
  /** It may be a packet of long ago, whose window is forgotten: a newer cookie must come. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'replayed' }
  | { readonly kind: 'forged' }

export class DatagramKeys {
  readonly #deps: DatagramKeysDeps
  readonly #info: { readonly salt: Uint8Array; readonly domain: Uint8Array }
  /** Least recently used first; by the public key as Latin-1. */
  readonly #peers = new Map<string, PeerKeys>()
  /** The same for those that only asked early. */
  readonly #newcomers = new Map<string, PeerKeys>()
  /** Until when packets may have been accepted whose windows are gone. */
  #forgottenMs = -1
  /** The same for early questions; cookies of an earlier run are not ours, these may be. */
  #earlyForgottenMs: number
  #counter = 0

  constructor(deps: DatagramKeysDeps) {
    this.#deps = deps
    this.#info = { salt: utf8(deps.network), domain: utf8(DOMAIN) }
    this.#earlyForgottenMs = deps.startedMs - 1
  }

  /** The number of the next packet: one row for all peers, so no nonce comes twice. */
  nextCounter(): number {
    this.#counter += 1
    return this.#counter
  }

  /** The keys of a sender whose packets were opened before, or whom we asked. */
  known(publicKey: Uint8Array): PeerKeys | undefined {
    const name = nameOf(publicKey)
    return this.#peers.get(name) ?? this.#newcomers.get(name)
  }

  /** Whether `peer` can have keys with us; agrees on them if so. */
  agrees(peer: PeerId, publicKey: Uint8Array): boolean {
    return this.#keysOf(peer, publicKey) !== undefined
  }

  /** Seals for `peer`, whose key is `publicKey` and which must have keys with us. */
  seal(
    to: { readonly peer: PeerId; readonly publicKey: Uint8Array },
    packet: { readonly head: Uint8Array; readonly counter: number; readonly boot?: Uint8Array },
    body: Uint8Array,
  ): Uint8Array {
    const keys = this.known(to.publicKey) ?? this.#keysOf(to.peer, to.publicKey)
    assert(keys !== undefined, 'packets are sealed for peers that have keys with us')
    keys.sending ??= this.#derive(keys.secret, this.#deps.self, to.peer, this.#deps.boot)
    const { head, counter, boot } = packet
    const authenticated = boot === undefined ? head : concatBytes(head, boot)
    return sealed(keys.sending, counter, { head, authenticated }, body)
  }

  /** Opens a question that came with a good cookie, or early. */
  openQuestion(packet: QuestionPacket, shown: Shown, nowMs: number): Opened {
    const known = this.known(packet.key)
    const boot = nameOf(packet.boot)
    const run = known?.runs.find((one) => one.boot === boot)
    if (shown.issuedMs <= this.#sinceOf(shown, run, known)) return { kind: 'stale' }
    if (run?.seen.has(packet.counter)) return { kind: 'replayed' }
    const keys = known ?? this.#agree(packet.key)
    if (keys === undefined) return { kind: 'forged' }
    const key = run?.key ?? this.#derive(keys.secret, keys.peer, this.#deps.self, packet.boot)
    const body = opened(key, packet, packet.head)
    if (body === undefined) return { kind: 'forged' }
    const noted = run ?? this.#addRun(keys, boot, key)
    noted.seen.add(packet.counter)
    noted.usedMs = nowMs
    this.#note(nameOf(packet.key), keys, shown)
    return { kind: 'opened', peer: keys.peer, body }
  }

  /** Opens the answer of a peer that we asked. */
  openAnswer(
    from: { readonly peer: PeerId; readonly publicKey: Uint8Array },
    packet: AnswerPacket,
  ): Uint8Array | undefined {
    const keys = this.#keysOf(from.peer, from.publicKey)
    if (keys === undefined) return undefined
    const boot = nameOf(packet.boot)
    const run = keys.runs.find((one) => one.boot === boot)
    const key = run?.key ?? this.#derive(keys.secret, from.peer, this.#deps.self, packet.boot)
    const body = opened(key, packet, concatBytes(packet.head, this.#deps.boot))
    if (body === undefined) return undefined
    if (run === undefined) this.#addRun(keys, boot, key)
    return body
  }

  /** Peers that we have keys with; bounded. */
  get size(): number {
    return this.#peers.size + this.#newcomers.size
  }

  #keysOf(peer: PeerId, publicKey: Uint8Array): PeerKeys | undefined {
    const name = nameOf(publicKey)
    const known = this.#peers.get(name) ?? this.#newcomers.get(name)
    if (known !== undefined) {
      this.#keep(name, known)
      return known
    }
    const secret = this.#deps.agreement(peer)
    if (secret === undefined) return undefined
    const keys = keysWith(peer, secret)
    this.#keep(name, keys)
    return keys
  }

  /** Keys with a sender that may be forged: kept when its packet opens. */
  #agree(publicKey: Uint8Array): PeerKeys | undefined {
    try {
      const peer = peerIdFromPublicKey(publicKey)
      const secret = this.#deps.agreement(peer)
      return secret && keysWith(peer, secret)
    } catch {
      // No point of the curve, or one that is nobody's key.
      return undefined
    }
  }

  #addRun(keys: PeerKeys, boot: string, key: Uint8Array): Run {
    const sinceMs = this.#forgottenOf(keys)
    const earlySinceMs = Math.max(sinceMs, this.#earlyForgottenMs)
    const run: Run = { boot, key, seen: new CounterWindow(), sinceMs, earlySinceMs, usedMs: 0 }
    for (const { usedMs } of keys.runs.slice(RUNS_MAX - 1)) {
      keys.forgottenMs = Math.max(keys.forgottenMs, usedMs)
    }
    keys.runs = [run, ...keys.runs.slice(0, RUNS_MAX - 1)]
    return run
  }

  /** A question of theirs has opened. */
  #note(name: string, keys: PeerKeys, shown: Shown): void {
    if (shown.early === undefined) keys.shown = shown
    if (shown.early === undefined || this.#peers.has(name)) {
      this.#keep(name, keys)
      return
    }
    const gone = putLast(this.#newcomers, [name, keys], NEWCOMERS_MAX)
    if (gone !== undefined) this.#earlyForgottenMs = Math.max(this.#earlyForgottenMs, lastOf(gone))
  }

  #keep(name: string, keys: PeerKeys): void {
    this.#newcomers.delete(name)
    const gone = putLast(this.#peers, [name, keys], PEERS_MAX)
    // What this peer sent may come again for as long as a cookie of that time is good.
    if (gone !== undefined) this.#forgottenMs = Math.max(this.#forgottenMs, lastOf(gone))
  }

  /** Until when a packet like this may have been accepted and forgotten. */
  #sinceOf({ early }: Shown, run: Run | undefined, keys: PeerKeys | undefined): number {
    if (early === undefined) return run?.sinceMs ?? this.#forgottenOf(keys)
    return run?.earlySinceMs ?? Math.max(this.#forgottenOf(keys), this.#earlyForgottenMs)
  }

  #forgottenOf(keys: PeerKeys | undefined): number {
    return Math.max(this.#forgottenMs, keys?.forgottenMs ?? -1)
  }

  #derive(secret: Uint8Array, from: PeerId, to: PeerId, boot: Uint8Array): Uint8Array {
    const { salt, domain } = this.#info
    const ids = utf8(`/${from}/${to}/`)
    const info = concatBytes(domain, ids, boot)
    return new Uint8Array(hkdfSync('sha256', secret, salt, info, KEY_BYTES))
  }
}

/** Puts an entry last, and takes the first away to make room: then that is returned. */
function putLast(
  entries: Map<string, PeerKeys>,
  [name, keys]: readonly [string, PeerKeys],
  entriesMax: number,
): PeerKeys | undefined {
  entries.delete(name)
  const oldest = entries.size < entriesMax ? undefined : entries.entries().next().value
  if (oldest !== undefined) entries.delete(oldest[0])
  entries.set(name, keys)
  return oldest?.[1]
}

/** When the last question of a peer was opened that only its windows remember. */
function lastOf({ runs, forgottenMs }: PeerKeys): number {
  return Math.max(forgottenMs, ...runs.map((run) => run.usedMs))
}

function keysWith(peer: PeerId, secret: Uint8Array): PeerKeys {
  return { peer, secret, sending: undefined, runs: [], shown: undefined, forgottenMs: -1 }
}

function nameOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
