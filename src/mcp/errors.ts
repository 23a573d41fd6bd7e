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
  NOT_READ: {
    says: (f: { afterMs: number }) =>
      `Cannot keep what waits for the other side: it read nothing for ${f.afterMs} ms`,
    retryable: true,
  },
  RESULT_LOST: {
    says: (f: { peer: PeerId; tool: string; size: number; read: number; reason: string }) =>
      `Cannot read the result of tool "${f.tool}": the tool ran, but of ${f.size} bytes only ` +
      `${f.read} came from peer ${f.peer} (${f.reason})`,
  },
  RESULT_TIMEOUT: {
    says: (f: { peer: PeerId; tool: string; size: number; read: number }) =>
      `Cannot read the result of tool "${f.tool}" in time: the tool ran, but of ${f.size} bytes ` +
      `only ${f.read} had come from peer ${f.peer}; give the call more time (--timeout)`,
  },
  RESULT_UNSENT: {
    says: (f: { what: string; limit: number }) =>
      `Cannot send the result: the tool ran, but ${f.what} is at its limit of ${f.limit}`,
  },
  RESULT_STORE_FAILED: {
    says: (f: { found: string }) =>
      `Cannot keep a result that is larger than one frame: ${f.found}; make room on the disk`,
  },
  RESULT_UNKNOWN: {
    says: (f: { found: string }) =>
      `Cannot give a part of a result: ${f.found}; call the tool again`,
  },
  RESULT_TOO_LARGE: {
    says: (f: { size: number; limit: number }) =>
      `Cannot send a message of ${f.size} bytes: the limit is ${f.limit}; send or ask less at once`,
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
  GRANT_REFUSED: {
    says: (f: { peer: PeerId; tool: string; code: string; message: string }) =>
      `Cannot call tool "${f.tool}": peer ${f.peer} wants a grant (${f.code}): ${f.message}` +
      // Who was refused at the door was not asked for a tool: all of a service is too much to ask.
      (f.code !== 'ACCESS_GRANT_MISSING' || f.message.includes(' --tool ')
        ? ''
        : `; "--tool ${f.tool}" is enough for this call`),
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
          f.silent.map(({ peer, code }) => `${peer} (${code})`).join(', ')) +
      '; see which there are with "p2p tools"',
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
  KEY_REUSED: {
    says: (f: { key: string }) =>
      `Cannot use idempotency key "${f.key}" again: it belongs to a call of another tool or with ` +
      'other arguments; draw a new key for each call',
  },
  CALL_NEVER_RAN: {
    says: (f: { key: string }) =>
      `Cannot give the outcome of call "${f.key}": it never ran here, and will not any more`,
    retryable: true,
  },
  CALL_RUNNING: {
    says: (f: { key: string }) =>
      `Cannot give the outcome of call "${f.key}" yet: it is in work; ask again`,
    retryable: true,
  },
  CALL_LOST: {
    says: (f: { reason: string }) => `Cannot tell what became of the call: ${f.reason}`,
  },
  RESULT_NOT_KEPT: {
    says: (f: { found: string }) =>
      `Cannot give the result of the call again: the tool ran, and its result was too large to ` +
      `keep (${f.found}); ask the tool for what it changed`,
  },
  JOURNAL_FAILED: {
    says: (f: { file: string; reason: string }) =>
      `Cannot keep the journal of calls in "${f.file}": ${f.reason}; make room, mend or move it`,
    retryable: true,
  },
  DESCRIPTOR_INVALID: {
    says: (f: { found: string }) => `Cannot accept service descriptor: found ${f.found}`,
  },
  QUERY_INVALID: {
    says: (f: { part: string; found: string; wanted: string }) =>
      `Cannot look for tools: ${f.part} is ${JSON.stringify(f.found)}; wanted ${f.wanted}`,
  },
  INVITATION_INVALID: {
    says: (f: { found: string }) =>
      `Cannot use the invitation: found ${f.found}; ` +
      'ask whoever gave it to you for the whole text that "p2p expose --invite" printed',
  },
  NOT_BLINDED: {
    says: (f: { service: string }) =>
      `Cannot invite to service "${f.service}": it is not blinded; expose it with --invite`,
  },
  DESCRIPTOR_MISSING: {
    says: (f: { key: string }) =>
      `Cannot read "${f.key}": nobody who answered has it; its peer may be gone`,
    retryable: true,
  },
  SERVICE_NOT_FOUND: {
    says: (f: { service: string; asked: number; silent: number }) =>
      `Cannot find service "${f.service}": none of ${f.asked} peers that answered offers it` +
      (f.silent === 0 ? '' : `, and ${f.silent} did not answer`) +
      '; see which there are with "p2p tools", or name the peer',
    retryable: true,
  },
  TOOL_CHANGED: {
    says: (f: { name: string; peer: PeerId; service: string; tool: string }) =>
      `Cannot call "${f.name}": peer ${f.peer} describes tool "${f.tool}" of service ` +
      `"${f.service}" otherwise than when it was approved; read what it says now and approve ` +
      `it with "p2p tools approve ${f.name}"`,
  },
  TOOL_UNAPPROVED: {
    says: (f: { name: string; peer: PeerId; service: string; tool: string }) =>
      `Cannot call "${f.name}": tool "${f.tool}" of service "${f.service}" at peer ${f.peer} ` +
      'was never approved, and mcp.approve is "ask" or as many as are kept were approved ' +
      `already; approve it with "p2p tools approve ${f.name}"`,
  },
  APPROVAL_STALE: {
    says: (f: { name: string; found: string; wanted: string }) =>
      `Cannot approve "${f.name}" as it was read: its definition is ${f.found} now, and ` +
      `${f.wanted} was wanted; read it again with "p2p tools withheld --json"`,
  },
  PINS_FULL: {
    says: (f: { limit: number }) =>
      `Cannot pin another tool: ${f.limit} are pinned already; unpin one first`,
  },
  APPROVALS_FILE: {
    says: (f: { path: string; found: string }) =>
      `Cannot read approvals from "${f.path}": ${f.found}; mend the file, or move it away to ` +
      'approve every tool anew',
  },
  APPROVALS_NOT_KEPT: {
    says: (f: { path: string; found: string }) =>
      `Cannot keep approvals in "${f.path}": ${f.found}; make the folder writable`,
  },
  CATALOG_UNKNOWN: {
    says: (f: { name: string }) =>
      `Cannot call "${f.name}": no tool is listed under this name now; list the tools again`,
  },
})

function triesOf(attempts: readonly Attempt[]): string {
  if (attempts.length === 0) return 'nobody was tried'
  return attempts
    .map(({ peer, path, via, ms, code }) => {
      const how = via === undefined ? path : `${path} via ${via}`
      return `${peer} (${how}, ${ms} ms: ${code})`
    })
    .join(', ')
}
