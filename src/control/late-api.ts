/**
 * The API, made for the first request that needs it. Its framework, the validators and the OpenAPI
 * document take more memory than the rest of the control room, and a node that only relays or
 * serves its peers may never be asked.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { CodedError } from '../base/index.ts'
import { sendError } from './error-reply.ts'
import { ControlError } from './errors.ts'
import { type Api, type ApiDeps, createApi } from './http.ts'
import { correlationOf } from './listener.ts'
import { createProbes, probeOf } from './probes.ts'

/** As `createApi`, which runs once and later; what it failed to load is tried again. */
export function createLateApi(deps: ApiDeps, waitMs: number, make = createApi): Api {
  const probes = createProbes(deps)
  let api: Api | undefined
  let making: Promise<Api> | undefined
  const made = async (): Promise<Api> => {
    making ??= make(deps, probes, waitMs)
    try {
      api = await making
      return api
    } catch (error) {
      making = undefined
      throw error
    }
  }
  const handleLate = async (request: IncomingMessage, response: ServerResponse) => {
    try {
      const { handle } = await made()
      // Nobody would notice that the caller went away before it was listened to.
      if (!response.destroyed) handle(request, response)
    } catch (error) {
      deps.log.error('API cannot be made', { error })
      if (error instanceof CodedError) sendError(response, error as CodedError)
      else
        sendError(response, ControlError.INTERNAL({ correlationId: correlationOf(request) }, error))
    }
  }
  return {
    handle(request, response) {
      const probe = probeOf(probes, request)
      if (probe !== undefined) void probe(request, response)
      else if (api !== undefined) api.handle(request, response)
      else void handleLate(request, response)
    },
    async close() {
      const late = await making?.catch(() => undefined)
      await late?.close()
    },
  }
}
