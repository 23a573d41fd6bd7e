/** Errors as HTTP says them: `{"error":{"code","message","facts","retryable"}}` and a status. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CodedError } from '../base/index.ts'

export interface ErrorBody {
  readonly error: {
    readonly code: string
    readonly message: string
    readonly facts: unknown
    readonly retryable: boolean
  }
}

export function errorBody(error: CodedError): ErrorBody {
  const { code, message, facts, retryable } = error
  return { error: { code, message, facts: jsonSafe(facts), retryable } }
}

/** The first row that matches decides; codes end in what went wrong, whichever room they are of. */
const STATUS: readonly (readonly [RegExp, number])[] = [
  [/^CONTROL_(HOST|ORIGIN)_REFUSED$/, 403],
  [/^CONTROL_TOKEN_/, 401],
  [/^CONTROL_BODY_TOO_LARGE$/, 413],
  [/^CONTROL_REQUEST_INVALID$/, 400],
  [/_(QUOTA|TOO_MANY)$/, 429],
  [/^ACCESS_/, 403],
  [/_(BUSY|STOPPED)$/, 503],
  [/^BASE_BUG$/, 500],
  [/_NOT_BUILT_YET$/, 501],
  [/_(DISK_FULL|NOT_KEPT)$/, 507],
  [/_(NOT_FOUND|(ROUTE|SERVICE|CATALOG)_UNKNOWN|UNRESOLVED)$/, 404],
  [/_(DENIED|REFUSED|FORBIDDEN|NOT_PUBLISHER)$/, 403],
  [/_(DEADLINE|TIMEOUT)$/, 504],
  [/_(EXISTS|CONFLICT|AMBIGUOUS|ALREADY_RUNNING|SECTION_OFF|IN_USE|SERVICES_FULL)$/, 409],
  [/_(UNREACHABLE|UNAVAILABLE|FAILED|BROKEN|CHANNEL_CLOSED|TOOL_ERROR|OUTCOME_UNKNOWN)$/, 502],
  [/_(INVALID|MALFORMED|UNKNOWN|COUNT|TOO_LONG|TOO_LARGE|UNSUPPORTED|UNSAFE|UNFIT|OPTION)$/, 400],
]

/** The status that fits an error; 503 for the rest that may work later, else 500. */
export function statusOf({ code, facts, retryable }: CodedError): number {
  if (code === 'NET_CONNECT_FAILED' && isNowhere(facts)) return 404
  const row = STATUS.find(([pattern]) => pattern.test(code))
  return row?.[1] ?? (retryable ? 503 : 500)
}

/** Nothing was tried, because nobody knows where that peer is. */
function isNowhere(facts: unknown): boolean {
  const { tried } = (facts ?? {}) as { readonly tried?: unknown }
  return Array.isArray(tried) && tried.length === 0
}

/** Answers with `error` on a bare response, before or beside the framework. */
export function sendError(response: ServerResponse, error: CodedError): void {
  const status = statusOf(error)
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    // What was not read of the request must not be taken for the next one.
    connection: 'close',
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
  })
  response.end(JSON.stringify(errorBody(error)))
}

/**
 * What became of an answer that had begun, as the JSON of an error, behind the last byte. Only for
 * who said `TE: trailers` (RFC 9110, section 10.1.4); for others the connection breaks off, so that
 * nobody takes a part for the whole.
 */
export const ERROR_TRAILER = 'p2p-error'
/** A client reads no more than 16 KiB of them, all together. */
const TRAILER_CHARS_MAX = 8_192

/** Whether whoever asks reads trailers, which only an answer in chunks has. */
export function takesTrailers(asked: Pick<IncomingMessage, 'headers' | 'httpVersion'>): boolean {
  const { headers, httpVersion } = asked
  if (httpVersion === '1.0') return false
  const accepted = String(headers.te ?? '').split(',')
  return accepted.some((one) => one.trim().toLowerCase() === 'trailers')
}

/** Ends an answer that had begun with what went wrong. */
export function endWithError(response: ServerResponse, error: CodedError): void {
  const { error: said } = errorBody(error)
  const whole = asciiJson({ error: said })
  const short = { ...said, message: said.message.slice(0, TRAILER_CHARS_MAX / 16), facts: null }
  const text = whole.length <= TRAILER_CHARS_MAX ? whole : asciiJson({ error: short })
  response.addTrailers({ [ERROR_TRAILER]: text })
  response.end()
}

/** JSON of the characters that a header may have. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(/[^ -~]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** Facts may hold what JSON cannot say; they are shown as text then. */
function jsonSafe(facts: unknown): unknown {
  try {
    const text = JSON.stringify(facts, (_, value: unknown) => {
      if (typeof value === 'bigint') return value.toString()
      return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
    }) as string | undefined
    return text === undefined ? null : (JSON.parse(text) as unknown)
  } catch {
    return null
  }
}
