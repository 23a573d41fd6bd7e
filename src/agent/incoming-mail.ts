/**
 * Fetching what was left for us: all pages of all who may keep it, each message verified as if its
 * sender had brought it.
 *
 * A keeper can lie: say that it has nothing, give what was said long ago, or what is nonsense. So
 * many are asked, what they give passes every check of the inbox, and each is read only so far.
 * What is in the inbox, or can never be, is asked away; for all else the keeper is asked again.
 */

import { type Clock, CodedError, type Logger, TtlMap, toHex, WorkQueue } from '../base/index.ts'
import type { EthAddress, PeerId } from '../identity/index.ts'
import type { CallOptions } from '../net/index.ts'
import type { MailKeepers } from './mail-keepers.ts'
import {
  ACK_METHOD,
  type Addressee,
  CLOSER_MAX,
  type Claim,
  mailHash,
  packAck,
  packTake,
  readPage,
  TAKE_METHOD,
} from './mailbox-protocol.ts'
import type { MailMetrics } from './metrics.ts'

/** Takes a message as if its sender had brought it. */
export interface Intake {
  /** Rejects with a coded error where the message is refused, or cannot be taken now. */
  take(
    envelope: Uint8Array,
    how: { readonly route: 'mailbox'; readonly by: PeerId },
  ): Promise<unknown>
}

/** The address that this node speaks for, and what proves it. */
export interface SpokenFor {
  readonly address: EthAddress
  readonly binding: Uint8Array
}

export interface IncomingMailDeps {
  readonly self: PeerId
  /** Undefined where this node speaks for no address. */
  readonly spokenFor: () => Promise<SpokenFor | undefined>
  readonly keepers: Pick<MailKeepers, 'find' | 'ask'>
  readonly intake: Intake
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MailMetrics
}

/** How a collection went. */
export interface Collected {
  /** Keepers that were asked, and that answered. */
  readonly asked: number
  readonly answered: number
  /** Messages that came, once each. */
  readonly messages: number
}

/** What no later try can make acceptable. Anything else may be our own trouble: it stays there. */
const NEVER = new Set([
  'AGENT_TOO_LARGE',
  'AGENT_ENVELOPE_INVALID',
  'AGENT_OTHER_NETWORK',
  'AGENT_OTHER_RECIPIENT',
  'AGENT_EXPIRED',
  'AGENT_BINDING_INVALID',
  'AGENT_SIGNATURE_INVALID',
  'AGENT_ID_TAKEN',
  'AGENT_NOT_SEALED',
  'AGENT_PRE_KEY_GONE',
  'AGENT_BODY_CLOSED',
  'AGENT_RECEIPT_INVALID',
  'AGENT_RECEIPT_FOREIGN',
  'AGENT_SENDER_REFUSED',
])
const ASKED_AT_ONCE = 4
/** A box holds no more than some of these; a keeper that gives more is making them up. */
const PAGES_MAX = 64
/** Each message comes from eight keepers: it is verified for the first. */
const TAKEN_MAX = 16_384
const TAKEN_MS = 3_600_000

export class IncomingMail {
  readonly #deps: IncomingMailDeps
  readonly #taken: TtlMap<string, true>
  #messages = 0

  constructor(deps: IncomingMailDeps) {
    this.#deps = deps
    this.#taken = new TtlMap({ entriesMax: TAKEN_MAX, ttlMs: TAKEN_MS, clock: deps.clock })
  }

  /** Asks all keepers once; rejects only with the signal's reason. */
  async collect(signal: AbortSignal): Promise<Collected> {
    const { self } = this.#deps
    const spoken = await this.#deps.spokenFor()
    const claims: Claim[] = [{ to: self, binding: null }]
    if (spoken !== undefined) claims.push({ to: spoken.address, binding: spoken.binding })
    const queue = new WorkQueue({
      name: 'mailbox keepers',
      concurrentMax: ASKED_AT_ONCE,
      waitingMax: claims.length * CLOSER_MAX,
    })
    const before = this.#messages
    const asked = claims.map(async (claim) => {
      const keepers = await this.#keepersOf(claim.to, signal)
      return Promise.all(
        keepers.map((keeper) => queue.run(() => this.#empty(keeper, claim, signal))),
      )
    })
    const outcomes = (await Promise.all(asked)).flat()
    signal.throwIfAborted()
    const answered = outcomes.filter((isAnswered) => isAnswered).length
    return { asked: outcomes.length, answered, messages: this.#messages - before }
  }

  async #keepersOf(to: Addressee, signal: AbortSignal): Promise<readonly PeerId[]> {
    try {
      return (await this.#deps.keepers.find(to, { signal })).slice(0, CLOSER_MAX)
    } catch (error) {
      if (!signal.aborted) this.#deps.log.debug('mailbox keepers not found', { error })
      return []
    }
  }

  /** Reads one keeper to its end; returns whether it answered. */
  async #empty(keeper: PeerId, claim: Claim, signal: AbortSignal): Promise<boolean> {
    const { keepers, log } = this.#deps
    const options: CallOptions = { signal }
    let after = 0
    try {
      for (let pages = 0; pages < PAGES_MAX; pages += 1) {
        const question = packTake({ ...claim, after })
        const answer = await keepers.ask(keeper, TAKE_METHOD, question, options)
        const { mails, more } = readPage(answer, after)
        const hashes: Uint8Array[] = []
        for (const { number, envelope } of mails) {
          signal.throwIfAborted()
          const hash = mailHash(envelope)
          if (await this.#hand(envelope, hash, keeper)) hashes.push(hash)
          after = number
        }
        if (hashes.length > 0) {
          await keepers.ask(keeper, ACK_METHOD, packAck({ ...claim, hashes }), options)
        }
        if (!more) break
      }
      return true
    } catch (error) {
      const code = error instanceof CodedError ? (error as CodedError).code : 'no answer'
      if (!signal.aborted) log.debug('mailbox not read', { keeper, code })
      return false
    }
  }

  /** Whether the keeper may forget it: it is in the inbox, or never will be. */
  async #hand(envelope: Uint8Array, hash: Uint8Array, by: PeerId): Promise<boolean> {
    const { intake, log, metrics } = this.#deps
    const name = toHex(hash)
    if (this.#taken.has(name)) return true
    try {
      await intake.take(envelope, { route: 'mailbox', by })
      if (!this.#taken.has(name)) this.#messages += 1
      this.#taken.set(name, true)
      metrics.mailCollected.add(1, { outcome: 'taken' })
      return true
    } catch (error) {
      const code = error instanceof CodedError ? (error as CodedError).code : 'failed inside'
      const isNever = NEVER.has(code)
      metrics.mailCollected.add(1, { outcome: isNever ? 'refused' : 'later' })
      log.debug('kept message not taken', { by, code })
      return isNever
    }
  }
}
