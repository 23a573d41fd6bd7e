/**
 * What a supervisor and a scraper ask, again and again and of most nodes nothing else: answered
 * without the framework, which is loaded for the first request that needs it (`late-api.ts`).
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { CodedError, type Logger, type Registry } from '../base/index.ts'
import { type Answer, operations } from './api.ts'
import { errorBody, statusOf } from './error-reply.ts'
import { ControlError } from './errors.ts'
import { correlationOf } from './listener.ts'
import type { ServedNode } from './served-node.ts'

export interface ProbesDeps {
  readonly node: Pick<ServedNode, 'health'>
  readonly registry: Pick<Registry, 'prometheusText' | 'openMetricsText'>
  readonly log: Logger
}

/** Writes the whole answer to one request, whatever happens. */
type Probe = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export const PROBE_NAMES = ['health', 'ready', 'metrics'] as const
export type Probes = Readonly<Record<(typeof PROBE_NAMES)[number], Probe>>

interface Reply {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

const JSON_TYPE = 'application/json; charset=utf-8'

export function createProbes({ node, registry, log }: ProbesDeps): Probes {
  const answering = (replyTo: (request: IncomingMessage) => Promise<Reply>): Probe => {
    return async (request, response) => {
      try {
        write(response, await replyTo(request))
      } catch (error) {
        const coded = codedOf(error, request)
        if (coded.code === 'CONTROL_INTERNAL') {
          log.error('request failed', { method: request.method, path: pathOf(request), error })
        }
        const body = JSON.stringify(errorBody(coded))
        write(response, { status: statusOf(coded), contentType: JSON_TYPE, body })
      }
    }
  }
  return {
    health: answering(async () => {
      const report = node.health()
      return healthReply(report, report.status !== 'failing')
    }),
    ready: answering(async () => {
      const report = node.health()
      return healthReply(report, report.ready)
    }),
    metrics: answering(async ({ headers }) => {
      const wantsOpen = headers.accept?.includes('application/openmetrics-text') === true
      const scrape = wantsOpen ? registry.openMetricsText() : registry.prometheusText()
      return { status: 200, ...(await scrape) }
    }),
  }
}

/** The probe that a request means; any other spelling of it goes the way of other requests. */
export function probeOf(probes: Probes, request: IncomingMessage): Probe | undefined {
  if (request.method !== 'GET') return undefined
  const path = pathOf(request)
  const name = PROBE_NAMES.find((each) => operations[each].path === path)
  return name === undefined ? undefined : probes[name]
}

function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? ''
}

function codedOf(error: unknown, request: IncomingMessage): CodedError {
  if (error instanceof CodedError) return error as CodedError
  return ControlError.INTERNAL({ correlationId: correlationOf(request) }, error)
}

function healthReply(report: Answer<'health'>, isWell: boolean): Reply {
  const body = JSON.stringify(operations.health.response.encode(report))
  return { status: isWell ? 200 : 503, contentType: JSON_TYPE, body }
}

function write(response: ServerResponse, { status, contentType, body }: Reply): void {
  const length = Buffer.byteLength(body)
  response.writeHead(status, { 'content-type': contentType, 'content-length': length })
  response.end(body)
}
