import { defineErrors } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Attempt } from './tool.ts'

export const McpError = defineErrors('MCP', {
  SERVICE_INVALID: {
    says: (f: { field: string; found: string; wanted: string }) =>
      `Cannot accept service: ${f.field} is ${JSON.stringify(f.found)}; wanted ${f.wanted}`,
  },
  SERVICE_EXISTS: {
    says: (f: { service: string }) =>
      `Cannot expose service "${f.service}": this node has one of that name; ` +
      'choose another name or unexpose it first',
  },
  SERVICE_UNKNOWN: {
    says: (f: { service: string; known: number }) =>
      `Cannot find service "${f.service}": it is none of the ${f.known} services of this node`,
  },
  SERVICE_START_FAILED: {
    says: (f: {
      service: string
      reason: string
      exitCode: number | null
      stderr: readonly string[]
    }) =>
      `Cannot start service "${f.service}": ${f.reason}` +
      (f.stderr.length === 0 ? '' : `; it said: ${f.stderr.join(' | ')}`),
  },
  SERVICE_NOT_READY: {
    says: (f: { service: string; state: string; reason: string }) =>
      `Cannot use service "${f.service}": it is ${f.state} (${f.reason})`,
    retryable: true,
  },
  SERVICE_FAILED: {
    says: (f: { service: string; tool: string; sent: boolean; reason: string }) =>
      `Cannot call tool "${f.tool}": service "${f.service}" of this node did not answer ` +
      `(${f.reason})`,
    retryable: true,
  },
  SERVICES_FILE: {
    says: (f: { path: string; found: string }) =>
      `Cannot read services from "${f.path}": ${f.found}; mend the file or move it away`,
  },
  SERVICES_NOT_KEPT: {
    says: (f: { path: string; found: string }) =>
      `Cannot keep services in "${f.path}": ${f.found}; make the folder writable`,
  },
  SERVICES_FULL: {
    says: (f: { limit: number }) =>
      `Cannot expose another service: this node has ${f.limit} already; unexpose one first`,
  },
  SESSIONS_FULL: {
    says: (f: { service: string; limit: number; whose: string }) =>
      `Cannot open another session with "${f.service}": the limit of ${f.whose} is ${f.limit}`,
    retryable: true,
  },
  BUSY: {
    says: (f: { what: string; limit: number }) =>
      `Cannot take another request: ${f.what} is at its limit of ${f.limit}`,
    retryable: true,
  },
  REQUEST_INVALID: {
    says: (f: { found: string }) => `Cannot accept request: ${f.found}`,
  },
  REQUEST_TIMEOUT: {
    says: (f: { method: string; afterMs: number }) =>
      `Cannot answer "${f.method}": it was not done after ${f.afterMs} ms`,
    retryable: true,
  },
  RESULT_TOO_LARGE: {
    says: (f: { size: number; limit: number }) =>
      `Cannot send a message of ${f.size} bytes: the limit is ${f.limit}; ask for less at once`,
  },
  PIPE_ENDED: {
    says: (f: { wanted: string }) => `Cannot ${f.wanted}: the other end of the stream is gone`,
    retryable: true,
  },
  SERVICE_ENDED: {
    says: (f: { reason: string }) =>
      `Cannot tell what became of the request: the server behind the service is gone (${f.reason})`,
    retryable: true,
  },
  /** Carries the `code` and `data` of a JSON-RPC error through the SDK. */
  RPC: { says: (f: { message: string }) => f.message },
  PEER_FAILED: {
    says: (f: { peer: PeerId; tool: string; sent: boolean; reason: string }) =>
      `Cannot call tool "${f.tool}": peer ${f.peer} did not answer (${f.reason})`,
    retryable: true,
  },
  PEER_SILENT: {
    says: (f: { peer: PeerId; afterMs: number }) =>
      `Cannot wait for peer ${f.peer}: it did not answer a ping within ${f.afterMs} ms`,
    retryable: true,
  },
  PEER_REFUSED: {
    says: (f: { peer: PeerId; tool: string; code: string; message: string }) =>
      `Cannot call tool "${f.tool}": peer ${f.peer} refused with ${f.code}: ${f.message}`,
    retryable: true,
  },
  TOOL_ERROR: {
    says: (f: { tool: string; rpcCode: number; message: string }) =>
      `Cannot complete tool "${f.tool}": it answered with error ${f.rpcCode}: ${f.message}`,
  },
  TOOL_NOT_FOUND: {
    says: (f: {
      tool: string
      service: string | null
      asked: number
      silent: readonly { peer: PeerId; code: string }[]
    }) =>
      `Cannot call tool "${f.tool}"${f.service === null ? '' : ` of service "${f.service}"`}: ` +
      `no reachable peer offers it; ${f.asked} answered` +
      (f.silent.length === 0
        ? ''
        : `, ${f.silent.length} did not, so one of them may have it: ` +
          f.silent.map(({ peer, code }) => `${peer} (${code})`).join(', ')),
  },
  TOOL_AMBIGUOUS: {
    says: (f: { tool: string; services: readonly string[] }) =>
      `Cannot choose tool "${f.tool}": services ${f.services.join(', ')} each have one; ` +
      'name the service (--service)',
  },
  TOOL_UNAVAILABLE: {
    says: (f: { tool: string; attempts: readonly Attempt[] }) =>
      `Cannot call tool "${f.tool}": none of ${f.attempts.length} tries succeeded: ` +
      triesOf(f.attempts),
    retryable: true,
  },
  DEADLINE: {
    says: (f: { tool: string; timeoutMs: number; attempts: readonly Attempt[] }) =>
      `Cannot call tool "${f.tool}" within ${f.timeoutMs} ms: ${triesOf(f.attempts)}`,
    retryable: true,
  },
  OUTCOME_UNKNOWN: {
    says: (f: { tool: string; peer: PeerId; attempts: readonly Attempt[] }) =>
      `Cannot tell whether tool "${f.tool}" ran: peer ${f.peer} fell silent after it was asked, ` +
      `and the tool is not idempotent, so nobody else was; ${triesOf(f.attempts)}`,
  },
  DESCRIPTOR_INVALID: {
    says: (f: { found: string }) => `Cannot accept service descriptor: found ${f.found}`,
  },
  DESCRIPTOR_MISSING: {
    says: (f: { key: string }) =>
      `Cannot read "${f.key}": nobody who answered has it; its peer may be gone`,
    retryable: true,
  },
  CATALOG_UNKNOWN: {
    says: (f: { name: string }) =>
      `Cannot call "${f.name}": no tool is listed under this name now; list the tools again`,
  },
})

function triesOf(attempts: readonly Attempt[]): string {
  if (attempts.length === 0) return 'nobody was tried'
  return attempts
    .map(({ peer, path, ms, code }) => `${peer} (${path}, ${ms} ms: ${code})`)
    .join(', ')
}
