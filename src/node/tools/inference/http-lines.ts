/**
 * Lines of an HTTP answer as they come, for servers that stream: bounded line by line, and as a
 * whole, before anything of it is read as JSON.
 */

import { isJsonObject, type JsonObject, parseJson } from '../../../wire/index.ts'

const LINE_BYTES_MAX = 1_048_576
const ANSWER_BYTES_MAX = 32 * 1_048_576
/** How much of a failure's body is shown. */
const FAILURE_CHARS_MAX = 500
/** Unauthorized, and forbidden. */
const REFUSING: readonly number[] = [401, 403]

/** As `fetch`, so that tests need no socket. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** The lines of a body, without their ends and without empty ones. */
export async function* linesOf(response: Response): AsyncGenerator<string> {
  const { body } = response
  if (body === null) return
  const decoder = new TextDecoder('utf-8')
  let rest = ''
  let bytes = 0
  // Leaving the loop early cancels the body, and with it the request.
  for await (const part of body as unknown as AsyncIterable<Uint8Array>) {
    bytes += part.length
    if (bytes > ANSWER_BYTES_MAX) throw tooLong(ANSWER_BYTES_MAX)
    // Only what is new is looked through: a line may come in a million pieces.
    const [end = '', ...others] = decoder.decode(part, { stream: true }).split('\n')
    rest += end
    if (others.length > 0) {
      const lines = [rest, ...others]
      rest = lines.pop() ?? ''
      for (const line of lines) if (line.trim() !== '') yield line.trimEnd()
    }
    if (rest.length > LINE_BYTES_MAX) throw tooLong(LINE_BYTES_MAX)
  }
  rest += decoder.decode()
  if (rest.trim() !== '') yield rest.trimEnd()
}

/** The `data:` of server-sent events (WHATWG HTML §9.2) that hold JSON, up to `[DONE]`. */
export async function* eventsOf(response: Response): AsyncGenerator<JsonObject> {
  for await (const line of linesOf(response)) {
    if (!line.startsWith('data:')) continue
    const text = line.slice('data:'.length).trim()
    if (text === '[DONE]') return
    yield objectOf(text)
  }
}

/** One JSON object on each line. */
export async function* objectsOf(response: Response): AsyncGenerator<JsonObject> {
  for await (const line of linesOf(response)) yield objectOf(line)
}

/** The whole body as one JSON object. */
export async function bodyOf(response: Response): Promise<JsonObject> {
  let text = ''
  for await (const line of linesOf(response)) text += `${line}\n`
  return objectOf(text)
}

/**
 * What a server said of its failure, cut short; not what it says of our key, which it may repeat.
 */
export async function failureText(response: Response, backend: string): Promise<string> {
  if (REFUSING.includes(response.status)) {
    await response.body?.cancel().catch(() => undefined)
    return `status ${response.status}; check [mcp.inference.${backend}] key`
  }
  let text = ''
  try {
    for await (const line of linesOf(response)) {
      text += line
      if (text.length > FAILURE_CHARS_MAX) break
    }
  } catch {
    // The status alone says enough.
  }
  return `status ${response.status}${text === '' ? '' : `: ${text.slice(0, FAILURE_CHARS_MAX)}`}`
}

function objectOf(text: string): JsonObject {
  const value = parseJson(text, 'answer of the server', { bytesMax: ANSWER_BYTES_MAX })
  if (isJsonObject(value)) return value
  throw new TypeError('an answer of the server that is no object')
}

function tooLong(limit: number): Error {
  return new TypeError(`an answer of the server of more than ${limit} bytes`)
}
