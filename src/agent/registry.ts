/**
 * Whether a sender may write to us, by the registry on the chain.
 *
 * The chain is somebody else's machine and is away at times, so it is never in the way of those
 * who were allowed before: their standing is kept for a week and asked anew when it is older than
 * `agent.registry_cache`; while the chain is away the kept one holds, blocks as well. Only who was
 * never seen is refused then, and only where `agent.require_registered` wants an entry. Addresses
 * cost nothing, so questions have a rate, and those who were refused cannot push out the others.
 * Who was never seen and has no place among the questions comes again: a crowd lets nobody in.
 */

import { backoffMs, type Clock, type Logger, type Random, race, TtlMap } from '../base/index.ts'
import type { AgentRegistry, Standing } from '../evm/index.ts'
import type { EthAddress } from '../identity/index.ts'
import type { Facility } from '../net/index.ts'
import type { AgentConfig } from './config.ts'
import type { RegistryMetrics } from './metrics.ts'

const SENDERS_MAX = 10_000
const KEPT_MS = 7 * 24 * 3_600_000
/** Who has just registered should not wait long. */
const UNREGISTERED_MS_MAX = 60_000
const QUESTION_MS = 15_000
const WAIT_MS = 3_000
const QUESTIONS_AT_ONCE_MAX = 32
const QUESTIONS_PER_SECOND = 20
const BACKOFF = { firstMs: 1_000, maxMs: 30_000 }
const REASON_CHARS_MAX = 300

/** Why a sender is not let in. */
export type GateRefusal = 'unregistered' | 'discontinued' | 'blocked' | 'unavailable'

/** `unavailable` may be otherwise later; the other refusals are the registry's word. */
export type GateVerdict =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly reason: GateRefusal }

export interface RegistryGateDeps {
  /** Absent where none is configured: then everybody may write. */
  readonly registry: Pick<AgentRegistry, 'standing'> | undefined
  /** Ours: whom we blocked is kept under it. */
  readonly self: EthAddress
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: RegistryMetrics
}

interface Kept {
  readonly standing: Standing
  readonly atMs: number
}

const ALLOWED: GateVerdict = { allowed: true }
const AWAY: GateVerdict = { allowed: false, reason: 'unavailable' }

/** Asks the registry about senders, and remembers what it said. */
export class RegistryGate {
  readonly #deps: RegistryGateDeps
  readonly #config: Pick<AgentConfig, 'requireRegistered' | 'registryCacheMs'>
  readonly #welcome: TtlMap<string, Kept>
  readonly #refused: TtlMap<string, Kept>
  readonly #asking = new Map<string, Promise<Standing | undefined>>()
  #state: Facility
  #failures = 0
  #askAgainMs = 0
  #budget = { left: QUESTIONS_PER_SECOND, atMs: 0 }

  constructor(
    deps: RegistryGateDeps,
    config: Pick<AgentConfig, 'requireRegistered' | 'registryCacheMs'>,
  ) {
    this.#deps = deps
    this.#config = config
    const limits = { entriesMax: SENDERS_MAX, ttlMs: KEPT_MS, clock: deps.clock }
    this.#welcome = new TtlMap(limits)
    this.#refused = new TtlMap(limits)
    this.#state =
      deps.registry === undefined
        ? { state: 'off', reason: 'no registry is configured: set REGISTRY_ADDRESS and RPC_URL' }
        : { state: 'active' }
  }

  /** `unavailable` from a question that failed until one that is answered. */
  state(): Facility {
    return this.#state
  }

  /** What holds of a sender without a question; undefined where the chain is to be asked. */
  verdict(sender: EthAddress): GateVerdict | undefined {
    if (this.#deps.registry === undefined) return ALLOWED
    const kept = this.#keptOf(sender)
    if (kept === undefined || !this.#isFresh(kept)) return undefined
    return this.#count(this.#verdict(kept.standing))
  }

  /** Whether a sender had an entry when the chain was last asked; nobody is asked now. */
  isRegistered(sender: EthAddress): boolean {
    return this.#keptOf(sender)?.standing.registered === true
  }

  /** Never fails for the chain's sake; rejects only with the reason of `signal`. */
  async admits(
    sender: EthAddress,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<GateVerdict> {
    const known = this.verdict(sender)
    if (known !== undefined) return known
    const kept = this.#keptOf(sender)
    // A crowd of strangers must not be what lets somebody in who is blocked: he comes again.
    const isCrowded = !this.#asking.has(sender) && !this.#isBackedOff() && !this.#hasRoom()
    const standing = isCrowded ? undefined : await this.#patiently(sender, signal)
    if (standing !== undefined) return this.#count(this.#verdict(standing))
    if (kept !== undefined) return this.#count(this.#verdict(kept.standing), 'kept')
    const mustWait = this.#config.requireRegistered || isCrowded
    return this.#count(mustWait ? AWAY : ALLOWED, 'unasked')
  }

  #keptOf(sender: EthAddress): Kept | undefined {
    return this.#welcome.get(sender) ?? this.#refused.get(sender)
  }

  #isFresh({ standing, atMs }: Kept): boolean {
    const { registryCacheMs } = this.#config
    const lifeMs = standing.registered
      ? registryCacheMs
      : Math.min(registryCacheMs, UNREGISTERED_MS_MAX)
    return this.#deps.clock.now() < atMs + lifeMs
  }

  #verdict(standing: Standing): GateVerdict {
    const { registered, status, blockedForAll, blockedByReceiver } = standing
    if (blockedForAll || blockedByReceiver) return { allowed: false, reason: 'blocked' }
    if (registered && status === 'discontinued') return { allowed: false, reason: 'discontinued' }
    if (!registered && this.#config.requireRegistered) {
      return { allowed: false, reason: 'unregistered' }
    }
    return ALLOWED
  }

  /** No message waits long for a chain that hangs: what is kept of the sender decides then. */
  async #patiently(
    sender: EthAddress,
    signal: AbortSignal | undefined,
  ): Promise<Standing | undefined> {
    using patience = this.#deps.clock.deadline(WAIT_MS, signal)
    try {
      return await race(this.#ask(sender), patience.signal)
    } catch {
      signal?.throwIfAborted()
      return undefined
    }
  }

  /** Everybody who asks about the same sender waits for one question. Undefined: no answer. */
  #ask(sender: EthAddress): Promise<Standing | undefined> {
    const underWay = this.#asking.get(sender)
    if (underWay !== undefined) return underWay
    if (this.#isBackedOff() || !this.#hasRoom()) return Promise.resolve(undefined)
    this.#budget = { left: this.#left() - 1, atMs: this.#deps.clock.now() }
    const question = this.#question(sender).finally(() => this.#asking.delete(sender))
    this.#asking.set(sender, question)
    return question
  }

  /** The chain did not answer a moment ago. */
  #isBackedOff(): boolean {
    return this.#deps.clock.now() < this.#askAgainMs
  }

  #hasRoom(): boolean {
    return this.#asking.size < QUESTIONS_AT_ONCE_MAX && this.#left() >= 1
  }

  /** Questions that may be asked now. */
  #left(): number {
    const { left, atMs } = this.#budget
    const grown = (Math.max(0, this.#deps.clock.now() - atMs) / 1_000) * QUESTIONS_PER_SECOND
    return Math.min(QUESTIONS_PER_SECOND, left + grown)
  }

  async #question(sender: EthAddress): Promise<Standing | undefined> {
    const { registry, self, clock } = this.#deps
    using deadline = clock.deadline(QUESTION_MS)
    try {
      const standing = await registry?.standing(sender, self, { signal: deadline.signal })
      if (standing !== undefined) this.#answered(sender, standing)
      return standing
    } catch (error) {
      this.#failed(error)
      return undefined
    }
  }

  #answered(sender: EthAddress, standing: Standing): void {
    const { clock, log } = this.#deps
    const kept = { standing, atMs: clock.now() }
    const { allowed } = this.#verdict(standing)
    const [to, from] = allowed ? [this.#welcome, this.#refused] : [this.#refused, this.#welcome]
    from.delete(sender)
    to.set(sender, kept)
    this.#failures = 0
    this.#askAgainMs = 0
    if (this.#state.state === 'active') return
    this.#state = { state: 'active' }
    log.info('the agent registry answers again')
  }

  #failed(error: unknown): void {
    const { clock, log, random } = this.#deps
    const reason = (error instanceof Error ? error.message : String(error)).slice(
      0,
      REASON_CHARS_MAX,
    )
    this.#askAgainMs = clock.now() + backoffMs(this.#failures, BACKOFF, random)
    this.#failures += 1
    if (this.#state.state === 'active') log.warn('the agent registry does not answer', { reason })
    const remedy = 'those allowed before go on; check RPC_URL, REGISTRY_ADDRESS and the network'
    this.#state = { state: 'unavailable', reason, remedy }
  }

  #count(verdict: GateVerdict, from: 'chain' | 'kept' | 'unasked' = 'chain'): GateVerdict {
    const outcome = verdict.allowed ? 'allowed' : verdict.reason
    this.#deps.metrics.verdicts.add(1, { outcome, from })
    return verdict
  }
}
