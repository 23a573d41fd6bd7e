/**
 * Leaving a message with the nodes that keep the mailbox of its recipient.
 *
 * Eight are wanted. Where one refuses or does not answer, the next closest takes its place, up to
 * sixteen; one is enough to be stored. The work that they ask for is done once for all of them, and
 * once more where somebody who is nearly full asks for more.
 */

import { solveWork } from '../access/index.ts'
import { CodedError, type Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions } from '../net/index.ts'
import type { Mailbox } from './attempts.ts'
import { readEnvelope } from './envelope-codec.ts'
import type { MailKeepers } from './mail-keepers.ts'
import { MailError } from './mailbox-errors.ts'
import {
  type Addressee,
  addresseeOf,
  CLOSER_MAX,
  HOLDERS,
  PUT_METHOD,
  packPut,
  readPutAnswer,
  WORK_BITS_FULL,
  WORK_BITS_MIN,
  workOn,
} from './mailbox-protocol.ts'

export interface OutgoingMailDeps {
  readonly keepers: Pick<MailKeepers, 'of' | 'ask'>
  readonly log: Logger
}

const REASONS_MAX = 3

/** One message on its way to its keepers. */
interface Errand {
  readonly envelope: Uint8Array
  readonly signal: AbortSignal
  /** By how many bits were wanted: the same work serves all who want no more. */
  readonly solved: Map<number, Promise<number>>
  readonly reasons: Set<string>
}

export class OutgoingMail implements Mailbox {
  readonly #deps: OutgoingMailDeps

  constructor(deps: OutgoingMailDeps) {
    this.#deps = deps
  }

  /** Resolves with who keeps it now; throws a retryable `AGENT_MAIL_UNKEPT` where nobody does. */
  async store(
    to: Addressee,
    envelope: Uint8Array,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<{ readonly stored: number; readonly of: number; readonly by: readonly PeerId[] }> {
    // A keeper goes by what the envelope says; it may name the peer where we were told the address.
    const box = addresseeOf(readEnvelope(envelope).to) ?? to
    const candidates = (await this.#deps.keepers.of(box, { signal })).slice(0, CLOSER_MAX)
    const errand: Errand = { envelope, signal, solved: new Map(), reasons: new Set() }
    const waiting = [...candidates]
    const by: PeerId[] = []
    const fill = async (): Promise<void> => {
      for (let peer = waiting.shift(); peer !== undefined; peer = waiting.shift()) {
        if (signal.aborted) return
        if (!(await this.#leave(errand, peer))) continue
        by.push(peer)
        return
      }
    }
    await Promise.all(Array.from({ length: HOLDERS }, fill))
    const of = Math.min(HOLDERS, candidates.length)
    // Whoever has it has it, also where the time was over before all of them said so.
    if (by.length > 0) return { stored: by.length, of, by }
    signal.throwIfAborted()
    const reasons = [...errand.reasons].slice(0, REASONS_MAX).join(', ')
    throw MailError.MAIL_UNKEPT({ to, asked: candidates.length, reasons })
  }

  /** Whether this one keeps it now. */
  async #leave(errand: Errand, peer: PeerId): Promise<boolean> {
    const { signal, reasons } = errand
    try {
      const answer = await this.#put(errand, peer, WORK_BITS_MIN)
      if (answer.kind === 'kept') return true
      if (answer.bits > WORK_BITS_FULL) {
        reasons.add(`${answer.bits} bits of work wanted`)
        return false
      }
      const { kind } = await this.#put(errand, peer, answer.bits)
      if (kind !== 'kept') reasons.add('more and more work wanted')
      return kind === 'kept'
    } catch (error) {
      const code = error instanceof CodedError ? (error as CodedError).code : 'no answer'
      reasons.add(code)
      if (!signal.aborted) this.#deps.log.debug('message not kept', { peer, code })
      return false
    }
  }

  async #put({ envelope, signal, solved }: Errand, peer: PeerId, bits: number) {
    const solving = solved.get(bits) ?? solveWork(workOn(envelope), bits, { signal })
    solved.set(bits, solving)
    const payload = packPut({ envelope, work: await solving })
    const options: CallOptions = { signal }
    return readPutAnswer(await this.#deps.keepers.ask(peer, PUT_METHOD, payload, options))
  }
}
