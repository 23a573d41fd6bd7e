/**
 * What a capability allows, as values: one set of claims in each block of a token. Pure.
 *
 * A block after the first says only what it changes, and may only take away. What it would add is
 * refused, naming the block and the claim, so that nobody believes to hold more than was given.
 */

import { type ArgRule, isWithin, passes, ruleText } from './capability-rules.ts'
import { AccessError } from './errors.ts'

export const ANY_TOOL = '*'
export const ARGS_MAX = 16
export const CALLS_MAX = 1_000_000_000

/** What the first block says whole. */
export interface Claims {
  readonly service: string
  /** A tool's name, or `*` for every tool of the service. */
  readonly tool: string
  /** Rules by the name of a top-level argument; what is not named may be anything. */
  readonly args: Readonly<Record<string, ArgRule>>
  /** Unix seconds, the first and the first no more. */
  readonly notBefore: number
  readonly expires: number
  /** How many calls all who hold this block may make together; null is no limit. */
  readonly callsMax: number | null
}

/** What a later block says: only what it narrows. */
export type Narrowing = Partial<Omit<Claims, 'service'>>

/** The rights that are left after one more block. Throws `ACCESS_GRANT_WIDENED`. */
export function narrowed(rights: Claims, by: Narrowing, block: number): Claims {
  const widened = (what: string, from: string, to: string) => {
    return AccessError.GRANT_WIDENED({ block, what, from, to })
  }
  const { tool = rights.tool, args = {}, callsMax = rights.callsMax } = by
  const { notBefore = rights.notBefore, expires = rights.expires } = by
  if (tool !== rights.tool && rights.tool !== ANY_TOOL) throw widened('tool', rights.tool, tool)
  for (const [name, rule] of Object.entries(args)) {
    const outer = Object.hasOwn(rights.args, name) ? rights.args[name] : undefined
    if (outer !== undefined && !isWithin(rule, outer)) {
      throw widened(`argument "${name}"`, ruleText(outer), ruleText(rule))
    }
  }
  if (notBefore < rights.notBefore) {
    throw widened('notBefore', String(rights.notBefore), String(notBefore))
  }
  if (expires > rights.expires) throw widened('expires', String(rights.expires), String(expires))
  const calls = rights.callsMax ?? Number.POSITIVE_INFINITY
  if ((callsMax ?? Number.POSITIVE_INFINITY) > calls) {
    throw widened('callsMax', String(rights.callsMax), String(callsMax))
  }
  return { ...rights, tool, notBefore, expires, callsMax, args: { ...rights.args, ...args } }
}

/** An argument that the rights do not let through, and what they would. */
export interface Outside {
  readonly argument: string
  readonly allowed: string
}

/** The first argument outside of what the rights allow; undefined when all are inside. */
export function outsideOf(
  { args: rules }: Pick<Claims, 'args'>,
  args: Readonly<Record<string, unknown>>,
): Outside | undefined {
  for (const [argument, rule] of Object.entries(rules)) {
    const value = Object.hasOwn(args, argument) ? args[argument] : undefined
    if (!passes(rule, value)) return { argument, allowed: ruleText(rule) }
  }
  return undefined
}

/** Whether the rights are for this tool. */
export function covers(
  rights: Pick<Claims, 'service' | 'tool'>,
  service: string,
  tool: string,
): boolean {
  return rights.service === service && (rights.tool === ANY_TOOL || rights.tool === tool)
}
