/**
 * The topics we know, and what each carries: how large, how often, in which form.
 *
 * On the wire a topic's name begins with the network's, except in `main` (docs/contract.md). A
 * topic that was only used, and never defined, has the default rules and may be forgotten when the
 * table is full; one that was defined, or is being read, stays.
 */

import { MAIN_NETWORK } from '../wire/index.ts'
import { type Codec, cborCodec } from './codec.ts'
import { MESSAGE_BYTES_MAX } from './config.ts'
import { PubsubError } from './errors.ts'
import { PER_SECOND_MIN } from './rates.ts'
import type { Subscription } from './subscription.ts'

/** What a topic carries. Whatever is not said has a default. */
export interface TopicRules<T> {
  /** Returns the value as subscribers get it, or throws: then the message is refused. */
  readonly schema?: (value: unknown) => T
  readonly codec?: Codec
  readonly bytesMax?: number
  /** Messages of one author. */
  readonly perPeerPerSecond?: number
}

/** The rules of a topic with nothing left open. */
export interface Rules {
  readonly schema: (value: unknown) => unknown
  readonly codec: Codec
  readonly bytesMax: number
  readonly perPeerPerSecond: number
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
    this.#defaults = { schema: anything, codec, bytesMax, perPeerPerSecond: PER_SECOND_MAX }
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
  const wire = network === MAIN_NETWORK ? topic : `${network}/${topic}`
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

function checkRules(topic: string, { bytesMax, perPeerPerSecond }: Rules): void {
  if (!Number.isSafeInteger(bytesMax) || bytesMax < 1 || bytesMax > MESSAGE_BYTES_MAX) {
    const wanted = `a whole number from 1 to ${MESSAGE_BYTES_MAX}`
    throw PubsubError.RULES_INVALID({ topic, rule: 'bytesMax', found: bytesMax, wanted })
  }
  // Written so that NaN is refused as well.
  if (!(perPeerPerSecond >= PER_SECOND_MIN && perPeerPerSecond <= PER_SECOND_MAX)) {
    const wanted = `a number from ${PER_SECOND_MIN} to ${PER_SECOND_MAX}`
    const found = perPeerPerSecond
    throw PubsubError.RULES_INVALID({ topic, rule: 'perPeerPerSecond', found, wanted })
  }
}

function areSame(a: Rules, b: Rules): boolean {
  return (
    a.schema === b.schema &&
    a.codec === b.codec &&
    a.bytesMax === b.bytesMax &&
    a.perPeerPerSecond === b.perPeerPerSecond
  )
}
