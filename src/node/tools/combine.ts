/** Many answers to one question made into one. Pure. */

import { isJsonObject, type Json } from '../../wire/index.ts'

/** Who answered, with what. */
export interface Answer {
  readonly peer: string
  readonly value: Json
}

export interface Combined {
  /** Null where there is nothing to say: no answers, or no decision. */
  readonly value: Json
  readonly decided: boolean
  /** Peers whose answer is the value, or went into it. */
  readonly agreed: readonly string[]
  /** Peers that said something else. */
  readonly dissent: readonly string[]
  /** Why there is no decision, or what to mind about it. */
  readonly note: string | null
}

/**
 * What most say. A tie is none: to guess would let whoever answers first decide. Who was `asked`
 * and said nothing counts against a majority, or whoever silences the others would have one.
 */
export function vote(answers: readonly Answer[], asked = answers.length): Combined {
  const camps = new Map<string, Answer[]>()
  for (const answer of answers) {
    const key = canonical(answer.value)
    const camp = camps.get(key) ?? []
    camp.push(answer)
    camps.set(key, camp)
  }
  const sorted = [...camps.values()].sort((a, b) => b.length - a.length)
  const [best, second] = sorted
  const [winner] = best ?? []
  if (best === undefined || winner === undefined) return nothing('nobody answered')
  if (second?.length === best.length) {
    const peers = answers.map(({ peer }) => peer)
    return { ...nothing(`a tie of ${best.length} votes each`), dissent: peers }
  }
  const agreed = best.map(({ peer }) => peer)
  const dissent = answers.map(({ peer }) => peer).filter((peer) => !agreed.includes(peer))
  const isMajority = 2 * best.length > asked
  const share = `${best.length} of ${asked} that were asked`
  const note = isMajority ? null : `${share} say so: the most, but no majority`
  return { value: winner.value, decided: true, agreed, dissent, note }
}

/** The mean of numbers. One liar moves it as far as it likes: the range is told beside it. */
export function mean(answers: readonly Answer[]): Combined {
  const numbers = answers.flatMap(({ peer, value }) => {
    const number = typeof value === 'number' ? value : numberIn(value)
    return Number.isFinite(number) ? [{ peer, number }] : []
  })
  if (numbers.length === 0) return nothing('nobody answered with a number')
  const values = numbers.map(({ number }) => number)
  const value = values.reduce((sum, one) => sum + one / values.length, 0)
  const agreed = numbers.map(({ peer }) => peer)
  const dissent = answers.map(({ peer }) => peer).filter((peer) => !agreed.includes(peer))
  const low = values.reduce((a, b) => Math.min(a, b))
  const high = values.reduce((a, b) => Math.max(a, b))
  return { value, decided: true, agreed, dissent, note: `from ${low} to ${high}` }
}

export function first(answers: readonly Answer[]): Combined {
  const [one] = answers
  if (one === undefined) return nothing('nobody answered')
  return { value: one.value, decided: true, agreed: [one.peer], dissent: [], note: null }
}

export function all(answers: readonly Answer[]): Combined {
  if (answers.length === 0) return nothing('nobody answered')
  const agreed = answers.map(({ peer }) => peer)
  return {
    value: answers.map(({ value }) => value),
    decided: true,
    agreed,
    dissent: [],
    note: null,
  }
}

/** A place in a list. */
const PLACE = /^(?:0|[1-9]\d{0,8})$/

/** The value at a path such as `result.sum` or `items.0`; undefined where there is none. */
export function valueAtPath(value: Json, path: string): Json | undefined {
  let here: Json | undefined = value
  for (const step of path.split('.')) {
    if (Array.isArray(here))
      here = PLACE.test(step) ? (here as readonly Json[])[Number(step)] : undefined
    else if (isJsonObject(here) && Object.hasOwn(here, step)) here = here[step]
    else return undefined
  }
  return here
}

/** The same values, in whatever order an object has its fields. */
export function canonical(value: Json): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (!isJsonObject(item)) return item
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

function nothing(note: string): Combined {
  return { value: null, decided: false, agreed: [], dissent: [], note }
}

function numberIn(value: Json): number {
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
}
