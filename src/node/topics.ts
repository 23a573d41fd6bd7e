/** What a topic carries as a program says it, in its own schema library, for the room `pubsub`. */

import type { Codec, RepairRule, ReplayRule, TopicRules } from '../pubsub/index.ts'
import { checkInjected } from './injected.ts'
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
  /**
   * How a repeated message is told from a new one. `strict`, unless given: by its time, so that
   * what is a minute old is not taken. `counted` where nodes of go-, rust- or js-libp2p publish as
   * well; `cache` where their numbers are random: then a message can come again after two minutes.
   */
  readonly replay?: ReplayRule
  /**
   * Messages carry a count; what is missing is asked of neighbours, and comes late, marked as
   * repaired. Part of the topic's form: all of its nodes have the rule, or none.
   */
  readonly repair?: RepairRule
}

/** Throws for what is no schema, and no limit or codec that a topic can have. */
export function rulesOf<Value>(
  topic: string,
  schema: TopicSchema<Value>,
  limits: TopicLimits,
): TopicRules<unknown> {
  const { codec, bytesMax, perPeerPerSecond, replay, repair, ...unknown } = limits
  const [found] = Object.keys(unknown)
  if (found !== undefined) {
    const wanted = 'bytesMax, perPeerPerSecond, codec, replay or repair'
    throw UseError.ARGUMENT_INVALID({ what: `limit of topic "${topic}"`, found, wanted })
  }
  if (codec !== undefined) checkInjected({ codec })
  return {
    schema: parserOf(topic, schema),
    ...(codec !== undefined && { codec }),
    ...(bytesMax !== undefined && { bytesMax }),
    ...(perPeerPerSecond !== undefined && { perPeerPerSecond }),
    ...(replay !== undefined && { replay }),
    ...(repair !== undefined && { repair }),
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
