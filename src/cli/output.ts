/**
 * What a command prints: a table for a person, one JSON document with `--json`.
 *
 * Results go to standard output, everything else to standard error. Much of what is printed comes
 * from peers, so nothing that moves a cursor, rings a bell or turns the reading direction gets
 * through: it is cut for a person and escaped in JSON.
 */

import { stripVTControlCharacters, styleText } from 'node:util'
import { CodedError } from '../base/index.ts'
import { CliError } from './errors.ts'

/** The part of a stream that printing needs. */
export interface Sink {
  /** False where more should wait for `done`. */
  write(text: string | Uint8Array, done?: () => void): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'
/** Colours text where the reader wants colours. */
export type Paint = (style: Style, text: string) => string

export interface OutputOptions {
  readonly json: boolean
  /** Whether standard output is coloured, and standard error. */
  readonly color: boolean
  readonly errorColor?: boolean
  /** A terminal that knows no escapes: nothing is drawn again in its place. */
  readonly dumb?: boolean
  /** Aborts when nobody reads standard output any more. */
  readonly gone?: AbortSignal
}

const COLUMNS = 80
const ROWS = 24

/** Where a command prints, and for whom. */
export class Output {
  /** Whether the reader is a program. */
  readonly json: boolean
  /** Aborts when nobody reads the results any more: what only shows things may end. */
  readonly gone: AbortSignal
  readonly #out: Sink
  readonly #err: Sink
  readonly #color: boolean
  readonly #errorColor: boolean
  readonly #dumb: boolean
  /** What stands on the terminal of the picture that is drawn again. */
  #drawn = { lines: 0, size: '' }

  constructor(sinks: { readonly out: Sink; readonly err: Sink }, options: OutputOptions) {
    this.json = options.json
    this.#out = sinks.out
    this.#err = sinks.err
    this.#color = options.color
    this.#errorColor = options.errorColor ?? options.color
    this.#dumb = options.dumb === true
    this.gone = options.gone ?? new AbortController().signal
  }

  /** Whether a person looks at standard output in a terminal. */
  get live(): boolean {
    return !this.json && this.#out.isTTY === true && !this.#dumb
  }

  /** How wide a line may be before the terminal wraps it; no bound where there is none. */
  get columns(): number {
    return this.live ? (this.#out.columns || COLUMNS) - 1 : Number.POSITIVE_INFINITY
  }

  readonly paint: Paint = (style, text) =>
    this.#color ? styleText(style, text, { validateStream: false }) : text

  /** Prints a result; `lines` is asked only when a person reads it. */
  print(value: unknown, lines: (paint: Paint) => readonly string[]): void {
    if (this.json) this.#out.write(`${safeJson(value)}\n`)
    else for (const line of lines(this.paint)) this.#out.write(`${line}\n`)
  }

  /** Bytes as they are, for a program: nothing is cut or escaped. Resolves when more may come. */
  async raw(bytes: Uint8Array): Promise<void> {
    this.gone.throwIfAborted()
    await new Promise<void>((resolve) => {
      if (this.#out.write(bytes, resolve) !== false) resolve()
    })
  }

  /** Progress and advice, for a person only. */
  note(line: string): void {
    if (!this.json) this.#err.write(`${line}\n`)
  }

  /** Replaces the last line of the terminal. */
  redraw(line: string): void {
    // A terminal that does not know its width says 0.
    const columns = this.#out.columns || COLUMNS
    this.#out.write(`\r\u001b[2K${line.slice(0, columns - 1)}`)
  }

  /**
   * Draws a picture of several lines in the place of the one before. A terminal that has changed
   * its size has wrapped the old one, so it is cleared first.
   */
  draw(lines: readonly string[]): void {
    // A terminal that does not know its size says 0.
    const columns = this.#out.columns || COLUMNS
    const rows = this.#out.rows || ROWS
    const size = `${columns}x${rows}`
    const isNew = this.#drawn.size !== '' && this.#drawn.size !== size
    const up = this.#drawn.lines > 0 ? `\u001b[${this.#drawn.lines}A` : ''
    const kept = lines.length < rows ? lines : [...lines.slice(0, rows - 2), '…']
    const text = kept.map((line) => `\u001b[2K${cut(line, columns - 1)}\n`).join('')
    this.#out.write(`${isNew ? '\u001b[2J\u001b[H' : `\r${up}`}${text}\u001b[J`)
    this.#drawn = { lines: kept.length, size }
  }

  /** Prints an error as the contract wants it and says under which code it went. */
  fail(error: unknown): string {
    const coded = asCoded(error)
    if (this.json) {
      const { code, message, facts, retryable } = coded
      this.#err.write(`${safeJson({ error: { code, message, facts, retryable } })}\n`)
      return coded.code
    }
    const word = this.#errorColor ? styleText('red', 'error', { validateStream: false }) : 'error'
    this.#err.write(`${word} ${coded.code}\n${clean(coded.message)}\n`)
    if (coded.retryable) this.#err.write('Trying again later may help.\n')
    if (coded.code === 'CLI_INTERNAL' && error instanceof Error) {
      this.#err.write(`${clean(error.stack ?? '')}\n`)
    }
    return coded.code
  }
}

/** At most so many columns; a line that is cut loses its colours. */
function cut(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line)
  return plain.length <= columns ? line : `${plain.slice(0, columns - 1)}…`
}

/** Text of a stranger as plain text; line breaks and tabs stay. */
export function clean(text: string): string {
  return stripVTControlCharacters(text).replace(UNSAFE, (c) => (c === '\n' || c === '\t' ? c : ''))
}

/** The same in one line, for a cell of a table. */
export function cleanLine(text: string): string {
  return clean(text).replace(/\s+/g, ' ').trim()
}

/** JSON in one line in which no character can act on a terminal. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, escaped)
}

/** Columns as wide as their widest cell; strangers' text is cleaned here. */
export function table(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint,
): string[] {
  const cells = rows.map((row) => row.map(cleanLine))
  const widths = titles.map((title, i) =>
    Math.max(title.length, ...cells.map((row) => row[i]?.length ?? 0)),
  )
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  return [paint('bold', line(titles)), ...cells.map(line)]
}

/** A table, and which of its columns a narrow terminal may go without, the first one first. */
export interface NarrowTable {
  readonly titles: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly less: readonly string[]
}

/** The same within so many columns: a row that wraps cannot be read. */
export function tableWithin(columns: number, given: NarrowTable, paint: Paint): string[] {
  const { titles, rows, less } = given
  const lines = table(titles, rows, paint)
  if (lines.every((line) => stripVTControlCharacters(line).length <= columns)) return lines
  const [title, ...others] = less
  if (title === undefined) return lines.map((line) => cut(line, columns))
  const at = titles.indexOf(title)
  const without = (row: readonly string[]) => row.filter((_, i) => i !== at)
  const narrower = { titles: without(titles), rows: rows.map(without), less: others }
  return tableWithin(columns, narrower, paint)
}

/** Names on the left, values on the right; a list takes one line for each of its values. */
export function fields(
  rows: Readonly<Record<string, string | readonly string[]>>,
  paint: Paint,
): string[] {
  const width = Math.max(...Object.keys(rows).map((name) => name.length))
  return Object.entries(rows).flatMap(([name, value]) => {
    const values = typeof value === 'string' ? [value] : value
    return values.map((text, i) => {
      const label = (i === 0 ? name : '').padEnd(width)
      return `${paint('dim', label)}  ${cleanLine(text)}`
    })
  })
}

/** What is not ours becomes `CLI_INTERNAL`, so that every failure has a code. */
export function asCoded(error: unknown): CodedError {
  if (error instanceof CodedError) return error as CodedError
  const message = error instanceof Error ? error.message : String(error)
  return CliError.INTERNAL({ message }, error)
}

/** C0 and C1 controls, DEL, line separators, and marks that hide or reorder text. */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose.
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
}
