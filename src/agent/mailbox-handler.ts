/**
 * What a node does when it is asked to keep messages, or for those it keeps: admit, decode, check,
 * act, answer.
 *
 * A keeper can open nothing: it sees who wrote to whom, how much and until when. It takes what its
 * writer brings itself, that is signed, has not expired, is for one recipient whose place lies near
 * this node, and carries the work that is asked for now. It gives messages to the peer they are
 * for, or to the one through which their address speaks: the newest binding it was shown counts.
 * Checks run from cheap to dear; signatures come last.
 */

import { hasWork, Quotas } from '../access/index.ts'
import {
  type Clock,
  CodedError,
  every,
  type Logger,
  RecentMap,
  type Service,
} from '../base/index.ts'
import { isEthAddress, openBinding, type PeerId } from '../identity/index.ts'
import type { RpcServer } from '../rpc/index.ts'
import type { Cbor } from '../wire/index.ts'
import { openEnvelope } from './envelope.ts'
import { type Envelope, readEnvelope, recipientText } from './envelope-codec.ts'
import { EnvelopeError } from './envelope-errors.ts'
import type { KeptMail } from './kept-mail.ts'
import { MailError } from './mailbox-errors.ts'
import {
  ACK_METHOD,
  type Addressee,
  addresseeOf,
  boxOf,
  type Claim,
  mailHash,
  PUT_METHOD,
  packPage,
  packPutAnswer,
  readAck,
  readPut,
  readTake,
  TAKE_METHOD,
  workOn,
} from './mailbox-protocol.ts'
import type { MailMetrics } from './metrics.ts'
import { reasonOf } from './refusal.ts'

export interface MailboxHandlerDeps {
  readonly server: Pick<RpcServer, 'handle'>
  /** Opened when it is first needed: most nodes keep nothing for anybody. */
  readonly kept: () => KeptMail
  readonly self: PeerId
  readonly network: string
  /** Whether the place of this mailbox lies near this node. */
  readonly isNear: (to: Addressee) => boolean
  /** On whose account lies what a peer leaves here. */
  readonly originOf: (peer: PeerId) => string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MailMetrics
}

/** Calls of one peer, and of all: who has thousands of messages waiting takes some a second. */
const PEER_RATE = { perSecond: 20, burst: 400 }
const ALL_RATE = { perSecond: 200, burst: 4_000 }
const SWEEP_MS = 600_000
const VERSIONS_MAX = 4_096

export class MailboxHandler implements Service {
  readonly name = 'mailbox-handler'
  readonly #deps: MailboxHandlerDeps
  readonly #rates: Quotas
  readonly #stopped = new AbortController()
  /** The newest binding that was shown of each address. */
  readonly #versions = new RecentMap<string, { readonly version: number }>(VERSIONS_MAX)
  #kept: KeptMail | undefined

  constructor(deps: MailboxHandlerDeps) {
    this.#deps = deps
    this.#rates = new Quotas(ALL_RATE, deps.clock.now())
    const { server } = deps
    server.handle(PUT_METHOD, async (payload, { peer }) =>
      this.#counted(peer, () => this.put(payload, peer)),
    )
    server.handle(TAKE_METHOD, async (payload, { peer }) => this.take(payload, peer))
    server.handle(ACK_METHOD, async (payload, { peer }) => this.ack(payload, peer))
  }

  async start(): Promise<void> {
    const { clock, log } = this.#deps
    const sweep = () => this.#sweep()
    every(clock, SWEEP_MS, sweep, this.#stopped.signal).catch((error: unknown) => {
      log.error('mailbox sweep ended', { error })
    })
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#kept?.close()
    this.#kept = undefined
  }

  /** Keeps a message, or says how much work it lacks. */
  put(payload: Cbor, peer: PeerId): Cbor {
    const { clock, network, originOf } = this.#deps
    this.#admit(peer)
    const { envelope: bytes, work } = readPut(payload)
    const nowMs = clock.now()
    const envelope = readEnvelope(bytes)
    const to = this.#recipientOf(envelope, peer, nowMs)
    const mail = {
      box: boxOf(to),
      sender: peer,
      id: envelope.id,
      hash: mailHash(bytes),
      origin: originOf(peer),
      expiresMs: envelope.expiresAtMs,
      envelope: bytes,
    }
    const kept = this.#open()
    const held = kept.holds(mail, nowMs)
    if (held !== undefined) return packPutAnswer({ kind: 'kept', expiresMs: held })
    const bits = kept.price
    if (!hasWork(workOn(bytes), work, bits)) {
      return packPutAnswer({ kind: 'work', bits })
    }
    openEnvelope(bytes, { network, nowMs, isFor: () => true })
    return packPutAnswer({ kind: 'kept', expiresMs: kept.keep(mail, nowMs) })
  }

  /** A page of what is kept for whoever asks. */
  take(payload: Cbor, peer: PeerId): Cbor {
    const { clock } = this.#deps
    this.#admit(peer)
    const { after, ...claim } = readTake(payload)
    this.#checkClaim(claim, peer)
    return packPage(this.#open().page(boxOf(claim.to), after, clock.now()))
  }

  /** Lets go of what its recipient has. */
  ack(payload: Cbor, peer: PeerId): Cbor {
    this.#admit(peer)
    const { hashes, ...claim } = readAck(payload)
    this.#checkClaim(claim, peer)
    const removed = this.#open().remove(boxOf(claim.to), hashes)
    this.#deps.metrics.mailTaken.add(removed)
    return removed
  }

  #admit(peer: PeerId): void {
    this.#stopped.signal.throwIfAborted()
    const shortage = this.#rates.take(peer, 1, PEER_RATE, this.#deps.clock.now())
    if (shortage === undefined) return
    throw MailError.MAIL_RATE({ peer, retryAfterMs: shortage.retryAfterMs })
  }

  /** All that can be said against an envelope before anything is verified. */
  #recipientOf(envelope: Envelope, peer: PeerId, nowMs: number): Addressee {
    const { self, isNear } = this.#deps
    const { from, to, expiresAtMs } = envelope
    if (from.peer !== peer) throw MailError.MAIL_FOREIGN({ by: peer, from: from.peer })
    const name = recipientText(to)
    const addressee = addresseeOf(to)
    const refuse = (reason: string) => MailError.MAIL_NOT_KEPT_HERE({ to: name, reason })
    if (addressee === undefined) throw refuse('it is for everybody who listens, not for one')
    if (addressee === self) throw refuse('it is this node, so deliver it')
    if (expiresAtMs <= nowMs) throw EnvelopeError.EXPIRED({ agoMs: nowMs - expiresAtMs })
    if (!isNear(addressee)) throw refuse('enough nodes lie closer to its mailbox; ask those')
    return addressee
  }

  #checkClaim({ to, binding }: Claim, peer: PeerId): void {
    const refuse = (reason: string) => MailError.MAIL_NOT_YOURS({ peer, to, reason })
    if (!isEthAddress(to)) {
      if (to !== peer) throw refuse('they are for another peer')
      return
    }
    if (binding === null) throw refuse('no binding came with the question')
    const { network, clock } = this.#deps
    const proven = openBinding(binding, { network, nowMs: clock.now() })
    if (proven.address !== to) throw refuse('the binding is of another address')
    if (proven.peer !== peer) throw refuse('the address speaks through another peer')
    const known = this.#versions.get(to)?.version ?? 0
    if (proven.version < known) throw refuse('there is a newer binding of that address')
    this.#versions.set(to, { version: proven.version })
  }

  #counted(by: PeerId, work: () => Cbor): Cbor {
    const { metrics, log } = this.#deps
    const { mailPuts, mailKept } = metrics
    let outcome = 'refused'
    try {
      const answer = work()
      outcome = Array.isArray(answer) && answer[0] === 'kept' ? 'kept' : 'work'
      return answer
    } catch (error) {
      const code = error instanceof CodedError ? (error as CodedError).code : 'BASE_BUG'
      log.debug('message not kept', { by, code, reason: reasonOf(error) })
      throw error
    } finally {
      mailPuts.add(1, { outcome })
      if (this.#kept !== undefined) mailKept.set(this.#kept.all.mails)
    }
  }

  #open(): KeptMail {
    this.#kept ??= this.#deps.kept()
    return this.#kept
  }

  #sweep(): void {
    try {
      this.#kept?.sweep(this.#deps.clock.now())
    } catch (error) {
      this.#deps.log.error('mailbox could not be swept', { error })
    }
  }
}
