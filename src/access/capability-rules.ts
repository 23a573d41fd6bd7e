/**
 * What a grant says of one argument of a tool, and whether a rule lets through no more than
 * another. Pure.
 *
 * An argument that is missing never passes: the tool would fill in something that nobody granted.
 * A list passes when each of its items does. A path is compared segment by segment, and what could
 * lead out of a folder in any of the ways that servers resolve paths (`..`, percent-encoded dots
 * and slashes, backslashes, dots that Windows drops) is refused before it is compared. Links inside
 * the folder are the service's own to guard.
 */

export type Scalar = string | number | boolean

/** One rule for one top-level argument. */
export type ArgRule =
  | { readonly kind: 'equals'; readonly value: Scalar }
  | { readonly kind: 'oneof'; readonly values: readonly Scalar[] }
  | { readonly kind: 'prefix'; readonly path: string }
  | { readonly kind: 'max'; readonly limit: number }

export const TEXT_CHARS_MAX = 512
export const ONE_OF_MAX = 32
/** Items of a list that one rule looks at. */
const ITEMS_MAX = 1_000
const PATH_CHARS_MAX = 4_096

/** Whether `value`, as it came in a call, is what the rule lets through. */
export function passes(rule: ArgRule, value: unknown): boolean {
  if (!Array.isArray(value)) return passesOne(rule, value)
  const items = value as readonly unknown[]
  if (items.length === 0 || items.length > ITEMS_MAX) return false
  return items.every((item) => passesOne(rule, item))
}

/** Whether all that `inner` lets through is let through by `outer` as well. */
export function isWithin(inner: ArgRule, outer: ArgRule): boolean {
  if (inner.kind === 'equals') return passesOne(outer, inner.value)
  if (inner.kind === 'oneof') return inner.values.every((value) => passesOne(outer, value))
  if (inner.kind === 'prefix') return outer.kind === 'prefix' && isUnder(inner.path, outer.path)
  return outer.kind === 'max' && inner.limit <= outer.limit
}

/** For a person: `equals "x"`, `one of 1, 2`, `inside /x`, `at most 10`. */
export function ruleText(rule: ArgRule): string {
  if (rule.kind === 'equals') return `equal to ${JSON.stringify(rule.value)}`
  if (rule.kind === 'oneof') return `one of ${rule.values.map((one) => JSON.stringify(one)).join()}`
  return rule.kind === 'prefix' ? `inside ${rule.path}` : `at most ${rule.limit}`
}

/** Whether a path is in a form that every server reads alike. */
export function isSoundPath(path: string): boolean {
  return path.length > 0 && path.length <= TEXT_CHARS_MAX && segmentsOf(path) !== undefined
}

function passesOne(rule: ArgRule, value: unknown): boolean {
  switch (rule.kind) {
    case 'equals':
      return value === rule.value
    case 'oneof':
      return rule.values.some((one) => one === value)
    case 'prefix':
      return typeof value === 'string' && isUnder(value, rule.path)
    case 'max':
      // A number too large for JSON is read as infinite, and written anew as null.
      return typeof value === 'number' && Number.isFinite(value) && value <= rule.limit
  }
}

function isUnder(path: string, folder: string): boolean {
  const [inner, outer] = [segmentsOf(path), segmentsOf(folder)]
  if (inner === undefined || outer === undefined) return false
  if (path.startsWith('/') !== folder.startsWith('/')) return false
  return outer.length <= inner.length && outer.every((segment, i) => segment === inner[i])
}

/** The names on the way; `undefined` where a server might read another way than it says. */
function segmentsOf(path: string): readonly string[] | undefined {
  if (path.length > PATH_CHARS_MAX || UNSOUND.test(path)) return undefined
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.')
  return segments.some((segment) => DOTS_ONLY.test(segment)) ? undefined : segments
}

/** Control characters, backslashes, and encoded dots, slashes, backslashes and controls. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose.
const UNSOUND = /[\u0000-\u001f\u007f\\]|%(?:2e|2f|5c|[01][0-9a-f]|25)/i
/** `..`, and what becomes it where trailing dots and spaces are dropped. */
const DOTS_ONLY = /^[. ]+$/
