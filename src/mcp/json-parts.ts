/** The JSON of a value in pieces, so that a long text is never held a second time as a whole. */

const SLICE_CHARS = 64 * 1_024

/** Joined, the pieces are what `JSON.stringify` says of plain data. */
export function* jsonParts(value: unknown): Generator<string> {
  if (typeof value === 'string' && value.length > SLICE_CHARS) yield* longText(value)
  else if (Array.isArray(value)) yield* list(value)
  else if (typeof value === 'object' && value !== null) yield* object(value)
  else yield plain(value)
}

/** What is no JSON stands as null, as within a list. */
function plain(value: unknown): string {
  return NO_JSON.includes(typeof value) ? 'null' : JSON.stringify(value)
}

const NO_JSON = ['undefined', 'function', 'symbol']

function* longText(text: string): Generator<string> {
  yield '"'
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + SLICE_CHARS, text.length)
    if (isWithinCharacter(text, end)) end += 1
    yield JSON.stringify(text.slice(at, end)).slice(1, -1)
    at = end
  }
  yield '"'
}

function* list(items: readonly unknown[]): Generator<string> {
  yield '['
  for (const [i, item] of items.entries()) {
    if (i > 0) yield ','
    yield* jsonParts(item)
  }
  yield ']'
}

function* object(fields: object): Generator<string> {
  let mark = '{'
  for (const [key, field] of Object.entries(fields)) {
    if (field === undefined) continue
    yield `${mark}${JSON.stringify(key)}:`
    yield* jsonParts(field)
    mark = ','
  }
  yield mark === '{' ? '{}' : '}'
}

/** Whether two halves of one character meet here; a half that stands alone is none. */
function isWithinCharacter(text: string, at: number): boolean {
  return isHalf(text, at - 1, 0xd800) && isHalf(text, at, 0xdc00)
}

function isHalf(text: string, at: number, first: number): boolean {
  const code = text.charCodeAt(at)
  return code >= first && code < first + 0x400
}
