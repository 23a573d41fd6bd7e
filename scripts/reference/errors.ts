/** `docs/reference/errors.md`: every error that any room raises. */

import { CodedError } from '../../src/base/index.ts'
import { exitCodeOf } from '../../src/cli/exit-codes.ts'
import { statusOf } from '../../src/control/error-reply.ts'
import { exportsOf, purposeOf, rooms, sources } from './modules.ts'
import { code, page, table } from './table.ts'

const INTRO = `Every failure has a code that never changes and a sentence that says what was found,
what was wanted and what to do; words in braces are facts of the case, which \`--json\` and the API
give by name. **Retry** says whether the same call may work later or at another peer. **Exit** is how
\`p2p\` ends, **HTTP** what the API answers.`

export interface KnownError {
  readonly room: string
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  readonly exit: number
  readonly status: number
}

/** All of them, by room from the ground up and then as the tables have them. */
export async function knownErrors(): Promise<readonly KnownError[]> {
  const all: KnownError[] = []
  for (const room of rooms()) {
    for (const file of sources(`src/${room}/**/*errors.ts`)) {
      const tables = Object.values(await exportsOf(file)).filter(isTable)
      all.push(
        ...tables.flatMap((raisers) => Object.values(raisers).map((raise) => of(room, raise))),
      )
    }
  }
  return all
}

export async function errorsPage(): Promise<string> {
  const byRoom = Map.groupBy(await knownErrors(), ({ room }) => room)
  const head = ['Code', 'Message', 'Retry', 'Exit', 'HTTP']
  const parts = [...byRoom].map(([room, errors]) => {
    const rows = errors.map(({ code: name, message, retryable, exit, status }) => {
      return [code(name), message, retryable ? 'yes' : 'no', String(exit), String(status)]
    })
    return [`## ${room}`, purposeOf(room), table(head, rows)].join('\n\n')
  })
  return page('Errors', INTRO, parts)
}

type Raise = (facts: never) => CodedError

function isTable(found: unknown): found is Readonly<Record<string, Raise>> {
  if (typeof found !== 'object' || found === null) return false
  const rows = Object.entries(found)
  return rows.length > 0 && rows.every(([name, row]) => /^[A-Z0-9_]+$/.test(name) && isRaiser(row))
}

function isRaiser(row: unknown): row is Raise {
  return typeof row === 'function' && (row as Raise)(fact('', []) as never) instanceof CodedError
}

function of(room: string, raise: Raise): KnownError {
  const counted: string[] = []
  const error = raise(fact('', counted) as never)
  const { code: name, retryable } = error
  const message = error.message.replace(/NaN/g, () => `{${counted.shift() ?? '…'}}`)
  if (/undefined|\[object/.test(message)) throw new Error(`${name} cannot be shown: ${message}`)
  return { room, code: name, message, retryable, exit: exitCodeOf(name), status: statusOf(error) }
}

/**
 * Stands for a fact: text, number, list or record, whichever the sentence takes it for. What is
 * reckoned with is no number, and its name goes to `counted`.
 */
function fact(name: string, counted: string[]): unknown {
  const toText = (hint: unknown) => {
    if (hint !== 'number') return `{${name}}`
    counted.push(name)
    return Number.NaN
  }
  const self: unknown = new Proxy(() => self, {
    get(_target, key): unknown {
      if (key === Symbol.toPrimitive || key === 'toString' || key === 'toJSON') return toText
      if (key === Symbol.iterator) return [self][Symbol.iterator].bind([self])
      if (key === 'length') return fact(`number of ${name}`, counted)
      if (key === 'map' || key === 'flatMap') {
        return (each: (item: unknown) => unknown) => [each(fact(singular(name), counted)), '…']
      }
      if (key === 'join') return (separator: string) => `{${name}}${separator}…`
      if (key === 'slice' || key === 'filter' || key === 'toSorted') return () => self
      return fact(String(key), counted)
    },
  })
  return self
}

function singular(name: string): string {
  return name.replace(/s$/, '')
}
