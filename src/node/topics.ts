/**
 * Topics as a program uses them: rules in its own schema library, and its own codec if it brings
 * one, over the room `pubsub`.
 */

import type {
  Codec,
  Message,
  Published,
  PublishOptions,
  Pubsub,
  SubscribeOptions,
} from '../pubsub/index.ts'
import { UseError } from './use-errors.ts'

/** A function that returns the value or throws, or anything with `parse`, such as a Zod schema. */
export type TopicSchema<Value> =
  | ((value: unknown) => Value)
  | { readonly parse: (value: unknown) => Value }

/** What a topic takes, from us and from others alike. */
export interface TopicLimits {
  /** Of one message, encoded; 64 KiB unless given. */
  readonly bytesMax?: number
  /** Messages of one peer; the node's own rate unless given. */
  readonly perPeerPerSecond?: number
  /** How its values become bytes; the node's own codec unless given. */
  readonly codec?: Codec
}

export interface TopicsDeps {
  readonly pubsub: Pick<Pubsub, 'topic' | 'publish' | 'subscribe' | 'topics'>
  readonly codec: Codec | undefined
}

export class Topics {
  readonly #deps: TopicsDeps
  readonly #defined = new Set<string>()

  constructor(deps: TopicsDeps) {
    this.#deps = deps
  }

  define<Value>(name: string, schema: TopicSchema<Value>, limits: TopicLimits): void {
    const { pubsub, codec } = this.#deps
    const rules = { ...(codec && { codec }), ...limits, schema: parserOf(name, schema) }
    pubsub.topic(name, rules)
    this.#defined.add(name)
  }

  publish(name: string, value: unknown, options: PublishOptions): Promise<Published> {
    this.#useCodec(name)
    return this.#deps.pubsub.publish(name, value, options)
  }

  subscribe<Value>(
    name: string,
    options: SubscribeOptions,
  ): AsyncIterable<Message<Value>> & AsyncDisposable {
    this.#useCodec(name)
    return this.#deps.pubsub.subscribe<Value>(name, options)
  }

  /** A topic that nobody defined takes any value, but in the codec of this node. */
  #useCodec(name: string): void {
    const { pubsub, codec } = this.#deps
    if (codec === undefined || this.#defined.has(name)) return
    pubsub.topic(name, { codec })
    this.#defined.add(name)
  }
}

/** One function for each schema: the same schema again is the same rule again. */
const parsers = new WeakMap<object, (value: unknown) => unknown>()

function parserOf(topic: string, schema: TopicSchema<unknown>): (value: unknown) => unknown {
  if (typeof schema === 'function') return schema
  const given: unknown = schema
  if (typeof given === 'object' && given !== null && 'parse' in given) {
    if (typeof given.parse === 'function') {
      const parser = parsers.get(given) ?? ((value: unknown) => parsed(schema, value))
      parsers.set(given, parser)
      return parser
    }
  }
  throw UseError.SCHEMA_INVALID({ topic, found: given === null ? 'null' : typeof given })
}

/** Zod's message is a page of JSON: what a person wants to hear is where, and what was wanted. */
function parsed(schema: { readonly parse: (value: unknown) => unknown }, value: unknown): unknown {
  try {
    return schema.parse(value)
  } catch (error) {
    const issues: unknown = (error as { issues?: unknown } | null)?.issues
    if (!Array.isArray(issues)) throw error
    const reasons = (issues as { path?: PropertyKey[]; message?: unknown }[])
      .slice(0, REASONS_MAX)
      .map(({ path = [], message }) => [path.map(String).join('.'), String(message)])
      .map(([at, message]) => (at === '' ? message : `${at}: ${message}`))
    throw UseError.VALUE_UNFIT({ reasons: reasons.join('; ') }, error)
  }
}

const REASONS_MAX = 8
