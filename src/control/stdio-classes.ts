/**
 * Errors as `p2p-node` tells them: one of three classes and a short, stable list of codes, so that
 * a program in any language can branch on them; our own code stands beside it as `cause`.
 */

import { CodedError } from '../base/index.ts'
import { StdioError } from './stdio-errors.ts'
import type { Told } from './stdio-outlet.ts'

/** The first row that fits decides. */
const ROWS: readonly (readonly [RegExp, string])[] = [
  [/^CONTROL_STDIO_JSON_MALFORMED$/, 'PROTOCOL_JSON_MALFORMED'],
  [/^CONTROL_STDIO_LINE_TOO_LONG$/, 'PROTOCOL_LINE_TOO_LONG'],
  [/^CONTROL_STDIO_TYPE_UNKNOWN$/, 'PROTOCOL_TYPE_UNKNOWN'],
  [/^CONTROL_STDIO_(NOT_CONNECTED|ALREADY_CONNECTED|STOPPING|CANCELLED)$/, 'PROTOCOL_STATE_WRONG'],
  [/^CONTROL_STDIO_EVENTS_LOST$/, 'RESOURCE_EVENTS_LOST'],
  [/^CONTROL_STDIO_PEER_DISCONNECTED$/, 'NETWORK_PEER_DISCONNECTED'],
  [/^CONTROL_STDIO_FAILED$/, 'RESOURCE_INTERNAL'],
  [/^(NET|CONTROL)_PORT_BUSY$/, 'RESOURCE_PORT_IN_USE'],
  [/^(NET_LISTEN_FAILED|CONTROL_ADDRESS_UNUSABLE)$/, 'RESOURCE_ADDRESS_UNUSABLE'],
  [/^NODE_ALREADY_RUNNING$/, 'RESOURCE_DATA_IN_USE'],
  [/_(DISK_FULL|NOT_KEPT|UNWRITABLE)$|_STORE_/, 'RESOURCE_STORAGE'],
  [/_MEMORY$/, 'RESOURCE_MEMORY'],
  [/_(BUSY|QUOTA|TOO_MANY|EXHAUSTED|FULL)$/, 'RESOURCE_LIMIT'],
  [/_(TOO_LARGE|TOO_LONG)$/, 'PROTOCOL_TOO_LARGE'],
  [/^CONTROL_STDIO_(AGENT_UNAVAILABLE|HTTP_ONLY)$/, 'PROTOCOL_UNAVAILABLE'],
  [/_(SECTION_OFF|NOT_BUILT_YET)$/, 'PROTOCOL_UNAVAILABLE'],
  [/^(NODE_CONFIG|CONTROL_STDIO_(OPTION|ENV))_/, 'PROTOCOL_CONFIGURATION'],
  [/_KEY_FILE_|_ETH_KEY_|_PEER_ID_MISMATCH$/, 'PROTOCOL_CONFIGURATION'],
  [/_(DEADLINE|TIMEOUT)$/, 'NETWORK_TIMEOUT'],
  [/_(INVALID|MALFORMED|UNKNOWN|UNFIT|UNSUPPORTED|IN_USE)$|^IP_/, 'PROTOCOL_COMMAND_INVALID'],
  [/^PUBSUB_VALUE_REFUSED$|_OPTION$/, 'PROTOCOL_COMMAND_INVALID'],
  [/^ACCESS_|_(REFUSED|DENIED|FORBIDDEN)$/, 'NETWORK_REFUSED'],
  [/^DHT_|_(NOT_FOUND|UNRESOLVED|UNCERTAIN)$/, 'NETWORK_LOOKUP_FAILED'],
  [/^NET_(CONNECT|DIAL)|_UNREACHABLE$/, 'NETWORK_CONNECT_FAILED'],
]

/** What the system itself says, where nobody made a better error of it. */
const SYSTEM: Readonly<Record<string, string>> = {
  EADDRINUSE: 'RESOURCE_PORT_IN_USE',
  ENOMEM: 'RESOURCE_MEMORY',
  EMFILE: 'RESOURCE_LIMIT',
  ENFILE: 'RESOURCE_LIMIT',
  ENOSPC: 'RESOURCE_STORAGE',
}

/** Each code that `classOf` gives; the documentation lists them. */
export const STDIO_CODES: readonly string[] = [
  ...new Set([...ROWS.map(([, code]) => code), ...Object.values(SYSTEM), 'NETWORK_FAILED']),
].sort()

/** The code of the three classes for one of ours. */
export function classOf({ code, cause }: Pick<CodedError, 'code' | 'cause'>): string {
  const system = cause instanceof Error && 'code' in cause ? SYSTEM[String(cause.code)] : undefined
  if (code === 'CONTROL_STDIO_FAILED' && system !== undefined) return system
  return ROWS.find(([pattern]) => pattern.test(code))?.[1] ?? 'NETWORK_FAILED'
}

/** Whatever was thrown by a command, as one coded error. */
export function codedFor(command: string, error: unknown): CodedError {
  if (error instanceof CodedError) return error as CodedError
  const reason = error instanceof Error ? error.message : String(error)
  return StdioError.STDIO_FAILED({ command, reason: reason.slice(0, REASON_MAX) }, error)
}

/** The event that tells an error, with the id of the command that it answers. */
export function errorEvent(error: CodedError, id?: string | number): Told {
  const { code, retryable } = error
  const message = SAID_HERE.reduce((text, [from, to]) => text.replace(from, to), error.message)
  return {
    type: 'error',
    ...(id !== undefined && { id }),
    code: classOf(error),
    message,
    cause: code,
    retryable,
  }
}

const REASON_MAX = 300
/** Options of `p2p` as whoever drives this process says them: the errors are of both. */
const SAID_HERE: readonly (readonly [string, string])[] = [
  [' with --listen', ' as "port" of connect'],
  ['with --data (dataDir in code)', 'with P2P_DATA in its environment'],
  ['another --data folder', 'another folder with P2P_DATA in its environment'],
  ['(flag --bootstrap)', '("bootstrapPeers" of connect)'],
]
