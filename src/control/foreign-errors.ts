/** Whatever was thrown while a request was answered, as one coded error. */

import type { FastifyRequest } from 'fastify'
import { CodedError } from '../base/index.ts'
import { ControlError } from './errors.ts'
import { correlationOf } from './listener.ts'

/** Coded errors pass as they are; the framework's become ours; the rest are our own mistakes. */
export function codedFrom(error: unknown, request: FastifyRequest): CodedError {
  if (isCoded(error)) return error
  if (!(error instanceof Error)) return internal(error, request)
  const { code, statusCode = 500, validation, validationContext } = error as FrameworkError
  if (validation !== undefined) {
    const problems = validation.map(({ instancePath = '', message = 'not valid' }) => {
      const name = instancePath.slice(1).replaceAll('/', '.')
      return name === '' ? message : `${name}: ${message}`
    })
    return ControlError.REQUEST_INVALID({ part: validationContext ?? 'input', problems }, error)
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return ControlError.BODY_TOO_LARGE({ limit: request.routeOptions.bodyLimit }, error)
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    const found = request.headers['content-type'] ?? ''
    const problems = [`content-type: found "${found.slice(0, SHOWN_MAX)}", wanted application/json`]
    return ControlError.REQUEST_INVALID({ part: 'head', problems }, error)
  }
  if (statusCode < 500) {
    return ControlError.REQUEST_INVALID({ part: 'head', problems: [error.message] }, error)
  }
  return internal(error, request)
}

const SHOWN_MAX = 128

interface FrameworkError extends Error {
  readonly code?: string
  readonly statusCode?: number
  readonly validationContext?: string
  readonly validation?: readonly { readonly instancePath?: string; readonly message?: string }[]
}

function isCoded(error: unknown): error is CodedError {
  return error instanceof CodedError
}

function internal(error: unknown, request: FastifyRequest): CodedError {
  return ControlError.INTERNAL({ correlationId: correlationOf(request.raw) }, error)
}
