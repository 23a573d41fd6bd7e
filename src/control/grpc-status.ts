/**
 * Errors as gRPC says them: a status that fits, our sentence, and in the trailing metadata
 * `p2p-error-code`, `p2p-error-retryable` and, where they are short, the facts as JSON.
 */

import { Metadata, status } from '@grpc/grpc-js'
import { CodedError, type Logger } from '../base/index.ts'
import { errorBody, statusOf } from './error-reply.ts'
import { ControlError } from './errors.ts'

/** Trailers share one header block with the rest, of which clients take 8 KiB. */
const MESSAGE_CHARS_MAX = 1_024
const FACTS_BYTES_MAX = 2_048

const BY_HTTP: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  409: status.FAILED_PRECONDITION,
  413: status.RESOURCE_EXHAUSTED,
  429: status.RESOURCE_EXHAUSTED,
  500: status.INTERNAL,
  501: status.UNIMPLEMENTED,
  503: status.UNAVAILABLE,
  504: status.DEADLINE_EXCEEDED,
  507: status.RESOURCE_EXHAUSTED,
}

/** Where HTTP has no word, or one that means too much. */
const OWN: Readonly<Record<string, status>> = {
  CONTROL_CALLER_GONE: status.CANCELLED,
  CONTROL_CALLS_BUSY: status.RESOURCE_EXHAUSTED,
  CONTROL_EVENTS_BUSY: status.RESOURCE_EXHAUSTED,
  CONTROL_KEY_NOT_TAKEN: status.INVALID_ARGUMENT,
  CONTROL_AGENT_UNAVAILABLE: status.FAILED_PRECONDITION,
  CONTROL_NOT_SENT: status.FAILED_PRECONDITION,
  CONTROL_STOP_NOT_OFFERED: status.UNIMPLEMENTED,
}

/** The gRPC status of an error. Clients repeat what is UNAVAILABLE, so only what may be is. */
export function grpcStatusOf(error: CodedError): status {
  const own = OWN[error.code]
  if (own !== undefined) return own
  const http = statusOf(error)
  if (http === 502) return error.retryable ? status.UNAVAILABLE : status.UNKNOWN
  if (http === 503 && !error.retryable) return status.FAILED_PRECONDITION
  return BY_HTTP[http] ?? status.UNKNOWN
}

/** What a coded error says in the trailers of an answer. */
export function grpcErrorOf(error: CodedError) {
  const { code, retryable, message } = error
  const metadata = new Metadata()
  metadata.set('p2p-error-code', code)
  metadata.set('p2p-error-retryable', String(retryable))
  const facts = JSON.stringify(errorBody(error).error.facts)
  const bytes = Buffer.from(facts)
  if (bytes.length <= FACTS_BYTES_MAX) metadata.set('p2p-error-facts-bin', bytes)
  const details = message.slice(0, MESSAGE_CHARS_MAX)
  return { code: grpcStatusOf(error), details, metadata }
}

/** Whatever was thrown, as one coded error; what nobody foresaw goes into the log whole. */
export function codedOf(
  error: unknown,
  call: { readonly method: string; readonly correlationId: string },
  log: Logger,
): CodedError {
  if (error instanceof CodedError) return error as CodedError
  const { method, correlationId } = call
  log.error('request failed', { method, error })
  return ControlError.INTERNAL({ correlationId }, error)
}
