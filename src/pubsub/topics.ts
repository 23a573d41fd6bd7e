/**
 * The topics we know, and what each carries: how large, how often, in which form.
 *
 * On the wire a topic's name begins with the network's, except in `main` (docs/contract.md); in
 * `main` no name begins so, or two networks would hear each other under different names. A topic
 * that was only used, and never defined, has the default rules and may be forgotten when the table
 * is full; one that was defined, or is being read, stays.
 */

import type { PeerId } from '../identity/index.ts'
import { MAIN_NETWORK } from '../wire/index.ts'
import { type Codec, cborCodec } from './codec.ts'
import { MESSAGE_BYTES_MAX } from './config.ts'
import { PubsubError } from './errors.ts'
import { PER_SECOND_MIN } from './rates.ts'
import { REPLAY_RULES, type ReplayRule } from './replay-guard.ts'
import type { Subscription } from './subscription.ts'

/** What a topic carries. Whatever is not said has a default. */
export interface TopicRules<T> {
  /** Returns the value as subscribers get it, or throws: then the message is refused. */
  readonly schema?: (value: unknown) => T
  /**
   * Whether this author may say this value. What it may not is a forgery, which nobody who checks
   * passes on: it is counted against who handed it on, unlike what the schema refuses.
   */
  readonly isAuthor?: (value: T, author: PeerId) => boolean
  readonly codec?: Codec
  readonly bytesMax?: number
  /** Messages of one author. */
  readonly perPeerPerSecond?: number
  /**
   * How repeated messages are told from new ones: `strict` unless given. `counted` is for topics
   * whose authors are also nodes of go-, rust- or js-libp2p, which count from their start; `cache`
   * for authors whose numbers are random: then a message is delivered again after `seenTtlMs`.
   */
  readonly replay?: ReplayRule
  /**
   * Messages carry a count, and what is missing is asked for. It changes their form on the wire:
   * all nodes of the topic have the rule, or none.
   */
  readonly repair?: RepairRule
  /** In a topic with repair, what nodes say that know nothing of it. */
  readonly bare?: BareRule
  /**
   * Told of what the schema refused, and with no error of what its author may not say; the
   * signature of the author holds over either.
   */
  readonly refused?: (author: PeerId, error?: unknown) => void
}

/**
 * Data without a count. It is read by the topic's codec and schema and goes no further: it is not
 * handed on, nobody who handed it to us is blamed for it, and neither its number nor its author are
 * looked at. What it proves, and whether it came before, is up to whoever reads the topic.
 */
export interface BareRule {
  readonly is: (data: Uint8Array) => boolean
  /** Of one peer that hands them to us, whoever wrote them. */
  readonly perPeerPerSecond: number
}

/** What is kept of a topic to give to those that miss it. */
export interface RepairRule {
  /** Messages, of all authors. */
  readonly keep: number
  readonly bytesMax: number
}

/** The rules of a topic with nothing left open. */
export interface Rules {
  readonly schema: (value: unknown) => unknown
  readonly isAuthor?: (value: never, author: PeerId) => boolean
  readonly codec: Codec
  readonly bytesMax: number
  readonly perPeerPerSecond: number
  readonly replay: ReplayRule
  readonly repair?: RepairRule
  readonly bare?: BareRule
  readonly refused?: (author: PeerId, error?: unknown) => void
}

/** One topic and who reads it here. */
export interface Topic {
  /** As our callers say it. */
  readonly name: string
  /** As peers say it. */
  readonly wire: string
  readonly rules: Rules
  readonly readers: Set<Subscription<unknown>>
}

/** Longest name of a topic on the wire. */
export const TOPIC_BYTES_MAX = 256
export const TOPICS_MAX = 1_024
const PER_SECOND_MAX = 10_000
export const REPAIR_KEEP_MAX = 1_000
const REPAIR_BYTES_MAX = 64 * 1_024 * 1_024
/** Before the name of a network that is not `main`; in `main` no topic begins with it. */
const NETWORKS = '/p2p-foundation/'

/** Control characters hide in logs and tables. */
const CONTROL = /\p{Cc}/u
/** The same function each time: rules are compared to see whether they change. */
const anything = (value: unknown): unknown => value

interface Entry extends Topic {
  rules: Rules
  isDefined: boolean
}

/** Topics by their name on the wire, the least recently used first. */
export class Topics {
  readonly #network: string
  readonly #defaults: Rules
  readonly #added: (wire: string) => void
  readonly #entries = new Map<string, Entry>()

  /** Calls `added` with each topic that is known from now on. */
  constructor(
    network: string,
    defaults: { readonly bytesMax: number; readonly codec?: Codec | undefined },
    added: (wire: string) => void,
  ) {
    const { bytesMax, codec = cborCodec } = defaults
    this.#network = network
    this.#added = added
    const rules = { schema: anything, codec, bytesMax, perPeerPerSecond: PER_SECOND_MAX }
    this.#defaults = { ...rules, replay: 'strict' }
  }

  /** Sets the rules of a topic; whoever reads it under other rules of ours must be gone. */
  define<T>(name: string, rules: TopicRules<T>): void {
    const checked = { ...this.#defaults, ...definedIn(rules) }
    checkRules(name, checked)
    const entry = this.#use(name)
    if (entry.isDefined && entry.readers.size > 0 && !areSame(entry.rules, checked)) {
      throw PubsubError.TOPIC_IN_USE({ topic: name, subscribers: entry.readers.size })
    }
    entry.rules = checked
    entry.isDefined = true
  }

  /** The topic of this name, which is known from now on. */
  use(name: string): Topic {
    return this.#use(name)
  }

  /** The topic that peers call `wire`, if we know it. */
  onWire(wire: string): Topic | undefined {
    return this.#entries.get(wire)
  }

  all(): readonly Topic[] {
    return [...this.#entries.values()]
  }

  #use(name: string): Entry {
    const wire = wireName(name, this.#network)
    const known = this.#entries.get(wire)
    const entry = known ?? this.#make(name, wire)
    this.#entries.delete(wire)
    this.#entries.set(wire, entry)
    if (known === undefined) this.#added(wire)
    return entry
  }

  #make(name: string, wire: string): Entry {
    if (this.#entries.size >= TOPICS_MAX) {
      const idle = this.all().find((topic) => this.#isIdle(topic))
      if (idle === undefined) {
        throw PubsubError.TOPICS_EXHAUSTED({ topic: name, limit: TOPICS_MAX, of: 'known' })
      }
      this.#entries.delete(idle.wire)
    }
    return { name, wire, rules: this.#defaults, isDefined: false, readers: new Set() }
  }

  #isIdle({ wire, readers }: Topic): boolean {
    return readers.size === 0 && this.#entries.get(wire)?.isDefined === false
  }
}

/**
 * The value of a message, read by its topic's rules; throws when they refuse it. A promise is no
 * answer, as a message is judged when it comes; one that rejects unheard would end the process.
 */
export function readBy({ schema }: Pick<Rules, 'schema'>, decoded: unknown): unknown {
  const value = schema(decoded)
  if (!isThenable(value)) return value
  Promise.resolve(value).catch(() => undefined)
  throw PubsubError.SCHEMA_ASYNC({})
}

/** Whether these are the bytes of a message that the topic takes without a count. */
export function isBare({ bare }: Pick<Rules, 'bare'>, data: Uint8Array): boolean {
  return bare?.is(data) === true
}

/** Whether the topic's rules let this author say the value; without a rule, anybody may. */
export function isSaidBy({ isAuthor }: Pick<Rules, 'isAuthor'>, value: unknown, author: PeerId) {
  // The value is what this topic's own schema returned.
  return isAuthor === undefined || isAuthor(value as never, author)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

function wireName(topic: string, network: string): string {
  const given: unknown = topic
  if (typeof given !== 'string') {
    throw PubsubError.TOPIC_INVALID({ topic: typeof given, found: 'it is no text' })
  }
  if (!topic.isWellFormed() || CONTROL.test(topic)) {
    throw PubsubError.TOPIC_INVALID({ topic, found: 'it is not plain text' })
  }
  if (topic === '') throw PubsubError.TOPIC_INVALID({ topic, found: 'it is empty' })
  const isMain = network === MAIN_NETWORK
  if (isMain && topic.startsWith(NETWORKS)) {
    const found = `it begins with "${NETWORKS}", as topics of other networks do`
    throw PubsubError.TOPIC_INVALID({ topic: topic.slice(0, 64), found })
  }
  const wire = isMain ? topic : `${NETWORKS}${network}/${topic}`
  const size = Buffer.byteLength(wire)
  if (size > TOPIC_BYTES_MAX) {
    throw PubsubError.TOPIC_INVALID({ topic: topic.slice(0, 64), found: `it has ${size} bytes` })
  }
  return wire
}

/** A rule that is named but `undefined` is a rule left open. */
function definedIn<T>(rules: TopicRules<T>): Partial<Rules> {
  return Object.fromEntries(Object.entries(rules).filter(([, rule]) => rule !== undefined))
}

function checkRules(topic: string, rules: Rules): void {
  const { bytesMax, perPeerPerSecond, replay, repair, bare } = rules
  if (!Number.isSafeInteger(bytesMax) || bytesMax < 1 || bytesMax > MESSAGE_BYTES_MAX) {
    const wanted = `a whole number from 1 to ${MESSAGE_BYTES_MAX}`
    throw PubsubError.RULES_INVALID({ topic, rule: 'bytesMax', found: bytesMax, wanted })
  }
  for (const found of [perPeerPerSecond, bare?.perPeerPerSecond ?? PER_SECOND_MAX]) {
    // Written so that NaN is refused as well.
    if (found >= PER_SECOND_MIN && found <= PER_SECOND_MAX) continue
    const wanted = `a number from ${PER_SECOND_MIN} to ${PER_SECOND_MAX}`
    throw PubsubError.RULES_INVALID({ topic, rule: 'perPeerPerSecond', found, wanted })
  }
  if (!REPLAY_RULES.includes(replay)) {
    const wanted = REPLAY_RULES.join(', ')
    throw PubsubError.RULES_INVALID({ topic, rule: 'replay', found: replay, wanted })
  }
  if (repair !== undefined) checkRepair(topic, repair)
}

function checkRepair(topic: string, repair: RepairRule): void {
  // Whatever is given in place of it has no numbers in it.
  const { keep, bytesMax } = { ...repair }
  for (const [rule, found, max] of [
    ['repair.keep', keep, REPAIR_KEEP_MAX],
    ['repair.bytesMax', bytesMax, REPAIR_BYTES_MAX],
  ] as const) {
    if (Number.isSafeInteger(found) && found >= 1 && found <= max) continue
    const wanted = `a whole number from 1 to ${max}`
    throw PubsubError.RULES_INVALID({ topic, rule, found, wanted })
  }
}

function areSame(a: Rules, b: Rules): boolean {
  return (
    a.schema === b.schema &&
    a.isAuthor === b.isAuthor &&
    a.codec === b.codec &&
    a.bytesMax === b.bytesMax &&
    a.perPeerPerSecond === b.perPeerPerSecond &&
    a.replay === b.replay &&
    a.repair?.keep === b.repair?.keep &&
    a.repair?.bytesMax === b.repair?.bytesMax &&
    a.bare?.is === b.bare?.is &&
    a.refused === b.refused &&
    a.bare?.perPeerPerSecond === b.bare?.perPeerPerSecond
  )
}
