/**
 * One key of a TOML text set or taken out, with every other byte left as it is. Sans I/O.
 *
 * The text is cut into statements, each with its place; the value of one is replaced, or a line is
 * put where its section ends. What comes out is not believed: the caller parses it and compares.
 */

import { parse } from 'smol-toml'

/** Where the value of one statement stands in the text; both ends are offsets. */
interface Statement {
  /** The path of its key, with that of the section it is in. */
  readonly path: readonly string[]
  /** How many of these names are the section's. */
  readonly depth: number
  /** The key as it is written. */
  readonly name: string
  readonly from: number
  readonly valueFrom: number
  readonly valueTo: number
  /** Behind the end of its last line. */
  readonly to: number
}

interface Section {
  readonly path: readonly string[]
  /** Behind its header, or behind the last of its statements. */
  to: number
}

interface Scan {
  readonly statements: readonly Statement[]
  readonly sections: readonly Section[]
}

/** Why a text cannot be edited by a machine; a person can. */
export type Uneditable = { readonly reason: string }

/**
 * `written` is the value as TOML, or undefined to take the key out. `text` must be TOML that the
 * parser takes.
 */
export function edited(
  text: string,
  path: readonly [string, ...string[]],
  written: string | undefined,
): string | Uneditable {
  const { statements, sections } = scan(text)
  const known = statements.find((one) => isSame(one.path, path))
  if (known !== undefined) {
    const { from, to, valueFrom, valueTo } = known
    if (written === undefined) return text.slice(0, from) + text.slice(to)
    return text.slice(0, valueFrom) + written + text.slice(valueTo)
  }
  const around = statements.find((one) => isSame(one.path, path.slice(0, one.path.length)))
  if (around !== undefined) {
    const header = `[${path.slice(0, around.path.length).join('.')}]`
    return { reason: `${around.name} is an inline table; write it as a section ${header}` }
  }
  if (written === undefined) return text
  return inserted(text, { statements, sections }, path, written)
}

function inserted(
  text: string,
  { statements, sections }: Scan,
  path: readonly string[],
  written: string,
): string {
  const eol = text.includes('\r\n') ? '\r\n' : '\n'
  const home = path.slice(0, -1)
  const name = path.slice(-1).map(quoted).join('')
  const at = (place: number, line: string) => {
    const before = text.slice(0, place)
    const gap = before === '' || before.endsWith('\n') ? '' : eol
    return `${before}${gap}${line}${eol}${text.slice(place)}`
  }
  const section = sections.find((one) => isSame(one.path, home))
  if (section !== undefined) return at(section.to, `${name} = ${written}`)
  // A table that dotted keys have begun cannot be given a header as well.
  const dotted = statements.findLast((one) => {
    return one.path.length > home.length && isSame(one.path.slice(0, home.length), home)
  })
  if (dotted !== undefined && dotted.depth < home.length) {
    const whole = path.slice(dotted.depth).map(quoted).join('.')
    return at(dotted.to, `${whole} = ${written}`)
  }
  const end = text.trimEnd() === '' ? '' : eol
  return at(text.length, `${end}[${home.map(quoted).join('.')}]${eol}${name} = ${written}`)
}

function scan(text: string): Scan {
  const statements: Statement[] = []
  const sections: Section[] = []
  let here: Section = { path: [], to: 0 }
  for (let at = 0; at < text.length; ) {
    const start = at + (/^[\s\uFEFF]*/.exec(text.slice(at))?.[0].length ?? 0)
    const from = Math.max(at, text.lastIndexOf('\n', start - 1) + 1)
    const first = text[start]
    if (first === undefined) break
    if (first === '#') {
      at = lineEnd(text, start)
      continue
    }
    if (first === '[') {
      at = lineEnd(text, start)
      here = { path: pathOf(text.slice(start, at)), to: at }
      sections.push(here)
      continue
    }
    const equals = skip(text, start, '=')
    const name = text.slice(start, equals).trim()
    const valueFrom = equals + 1 + (/^[ \t]*/.exec(text.slice(equals + 1))?.[0].length ?? 0)
    const valueTo = endOfValue(text, valueFrom)
    at = lineEnd(text, valueTo)
    const path = [...here.path, ...pathOf(`${name} = 0`)]
    const depth = here.path.length
    statements.push({ path, depth, name, from, valueFrom, valueTo, to: at })
    here.to = at
  }
  return { statements, sections }
}

/** Behind the value that begins at `from`: the comment and the space before it are not of it. */
function endOfValue(text: string, from: number): number {
  let depth = 0
  let end = from
  for (let at = from; at < text.length; ) {
    const char = text[at]
    if (char === '\n' && depth === 0) break
    if (char === '#') {
      if (depth === 0) break
      at = lineEnd(text, at)
      continue
    }
    if (char === '[' || char === '{') depth += 1
    if (char === ']' || char === '}') depth -= 1
    at = char === '"' || char === "'" ? endOfString(text, at) : at + 1
    if (char !== ' ' && char !== '\t' && char !== '\r' && char !== '\n') end = at
  }
  return end
}

/** Behind the closing quotes of the text in quotes that begins at `from`. */
function endOfString(text: string, from: number): number {
  const quote = text.charAt(from)
  const fence = text.startsWith(quote.repeat(3), from) ? quote.repeat(3) : quote
  for (let at = from + fence.length; at < text.length; at += 1) {
    if (quote === '"' && text[at] === '\\') at += 1
    else if (text.startsWith(fence, at)) {
      // Up to two quotes may stand before the three that close.
      let end = at + fence.length
      while (fence.length > 1 && text[end] === quote) end += 1
      return end
    }
  }
  return text.length
}

/** The place of `char` from `from` on, texts in quotes left out. */
function skip(text: string, from: number, char: string): number {
  let at = from
  while (at < text.length && text[at] !== char) {
    at = text[at] === '"' || text[at] === "'" ? endOfString(text, at) : at + 1
  }
  return at
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end === -1 ? text.length : end + 1
}

/** The names of a header or of a dotted key, read by the parser itself. */
function pathOf(statement: string): string[] {
  const path: string[] = []
  let value: unknown = parse(statement)
  while (typeof value === 'object' && value !== null) {
    const [entry] = Object.entries(value) as [string, unknown][]
    if (entry === undefined) break
    path.push(entry[0])
    value = entry[1]
  }
  return path
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i])
}

/** A name as a bare key where it may be one. */
function quoted(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)
}
