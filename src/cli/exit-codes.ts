/**
 * Error codes as exit codes, for scripts that cannot read sentences (`docs/contract.md`).
 *
 * The first row that fits decides: a code in full, the end of one (`*_DEADLINE`), or the room it
 * comes from (`ACCESS_*`). What no row knows is internal.
 */

/** What each exit code means; 130 and 143 are the shell's own for SIGINT and SIGTERM. */
export const EXIT = {
  done: 0,
  /** The call worked and the tool itself reported an error. */
  toolFailed: 1,
  usage: 2,
  configuration: 3,
  /** No node runs on the data folder, or a peer cannot be reached. */
  unreachable: 4,
  notFound: 5,
  refused: 6,
  deadline: 7,
  outcomeUnknown: 8,
  resource: 9,
  internal: 10,
  sigint: 130,
  sigterm: 143,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

const ROWS: readonly (readonly [pattern: string, code: ExitCode])[] = [
  ['CLI_STOP_TIMEOUT', EXIT.internal],

  ['CLI_TOOL_FAILED', EXIT.toolFailed],
  ['MCP_TOOL_ERROR', EXIT.toolFailed],

  ['CLI_USAGE', EXIT.usage],
  ['CLI_COMMAND_LINE', EXIT.usage],
  ['CLI_NAME_AMBIGUOUS', EXIT.usage],
  ['CLI_NAME_UNCLAIMED', EXIT.notFound],
  ['CONTROL_REQUEST_INVALID', EXIT.usage],
  ['DHT_KEY_INVALID', EXIT.usage],
  ['DHT_NAMESPACE_UNKNOWN', EXIT.usage],
  ['AGENT_MESSAGE_OPTION', EXIT.usage],
  ['IDENTITY_ETH_ADDRESS_INVALID', EXIT.usage],
  ['IDENTITY_PEER_ID_INVALID', EXIT.usage],
  ['IP_*', EXIT.usage],
  ['MCP_SERVICE_INVALID', EXIT.usage],
  ['MCP_TOOL_AMBIGUOUS', EXIT.usage],
  // What a program that makes its own node may get wrong.
  ['NODE_ARGUMENT_INVALID', EXIT.usage],
  ['NODE_INJECTED_INVALID', EXIT.usage],
  ['NODE_OFFER_INVALID', EXIT.usage],
  ['NODE_SCHEMA_INVALID', EXIT.usage],
  ['NODE_VALUE_UNFIT', EXIT.usage],
  ['PUBSUB_CODEC_INVALID', EXIT.usage],
  ['PUBSUB_RULES_INVALID', EXIT.usage],
  ['PUBSUB_SCHEMA_ASYNC', EXIT.usage],
  ['PUBSUB_TOPIC_INVALID', EXIT.usage],
  ['PUBSUB_VALUE_REFUSED', EXIT.usage],

  ['CLI_NOT_BUILT_YET', EXIT.configuration],
  ['CLI_NO_GATEWAY', EXIT.configuration],
  ['CLI_DOCTOR_FAILED', EXIT.configuration],
  ['CLI_SERVICE_FAILED', EXIT.configuration],
  ['MCP_SERVICE_START_FAILED', EXIT.configuration],
  ['IDENTITY_KEY_FILE_UNWRITABLE', EXIT.resource],
  ['IDENTITY_KEY_FILE_*', EXIT.configuration],
  ['ACCESS_WORK_BITS', EXIT.configuration],
  ['CONTROL_ADDRESS_UNUSABLE', EXIT.configuration],
  ['MCP_SERVICES_FILE', EXIT.configuration],
  ['MCP_APPROVALS_FILE', EXIT.configuration],
  ['NET_ADDRESS_INVALID', EXIT.configuration],

  ['CLI_NODE_GONE', EXIT.unreachable],
  ['CLI_NODE_STOPPED', EXIT.unreachable],
  ['CONTROL_NODE_UNPROVEN', EXIT.unreachable],
  ['CLI_RECORD_UNCERTAIN', EXIT.unreachable],
  ['CLI_NAME_UNCERTAIN', EXIT.unreachable],
  ['AGENT_RECORD_UNCERTAIN', EXIT.unreachable],
  ['CLI_NOT_STORED', EXIT.unreachable],
  ['*_UNREACHABLE', EXIT.unreachable],
  ['*_CONNECT_FAILED', EXIT.unreachable],
  ['*_CHANNEL_BROKEN', EXIT.unreachable],
  ['*_NOT_RUNNING', EXIT.unreachable],
  ['*_STOPPED', EXIT.unreachable],
  ['PUBSUB_PUBLISH_FAILED', EXIT.unreachable],
  ['CONTROL_TOKEN_*', EXIT.unreachable],
  ['MCP_TOOL_UNAVAILABLE', EXIT.unreachable],
  ['MCP_PEER_FAILED', EXIT.unreachable],
  ['MCP_SERVICE_FAILED', EXIT.unreachable],
  ['MCP_SERVICE_NOT_READY', EXIT.unreachable],
  ['CONTROL_ANSWER_MALFORMED', EXIT.unreachable],
  ['DHT_PEER_FAILED', EXIT.unreachable],

  ['*_NOT_FOUND', EXIT.notFound],
  ['MCP_SERVICE_UNKNOWN', EXIT.notFound],
  ['MCP_CATALOG_UNKNOWN', EXIT.notFound],
  ['AGENT_MESSAGE_UNKNOWN', EXIT.notFound],
  ['CLI_NO_KEY', EXIT.notFound],

  ['MCP_OUTCOME_UNKNOWN', EXIT.outcomeUnknown],
  ['EVM_OUTCOME_UNKNOWN', EXIT.outcomeUnknown],
  ['*_DEADLINE', EXIT.deadline],
  ['*_TIMEOUT', EXIT.deadline],

  ['NODE_ALREADY_RUNNING', EXIT.resource],
  ['MCP_SERVICE_EXISTS', EXIT.resource],
  ['*_BUSY', EXIT.resource],
  ['*_FULL', EXIT.resource],
  ['*_UNWRITABLE', EXIT.resource],
  ['*_TOO_LONG', EXIT.resource],
  ['*_TOO_LARGE', EXIT.resource],
  ['*_QUOTA', EXIT.resource],
  ['*_EXHAUSTED', EXIT.resource],
  ['*_IN_USE', EXIT.resource],
  ['DHT_CROWDED', EXIT.resource],
  ['DHT_STORE_*', EXIT.resource],
  ['DHT_TOO_MANY', EXIT.resource],
  ['MCP_SERVICES_NOT_KEPT', EXIT.resource],
  ['MCP_APPROVALS_NOT_KEPT', EXIT.resource],
  ['NET_LISTEN_FAILED', EXIT.resource],

  ['ACCESS_*', EXIT.refused],
  ['*_REFUSED', EXIT.refused],
  ['*_DENIED', EXIT.refused],

  ['DHT_NOT_PUBLISHER', EXIT.refused],
  ['DHT_NEWER_EXISTS', EXIT.refused],
  ['NODE_PEER_IDENTITY_BROKEN', EXIT.refused],
  ['MCP_TOOL_CHANGED', EXIT.refused],
  ['MCP_TOOL_UNAPPROVED', EXIT.refused],

  ['NODE_CONFIG_*', EXIT.configuration],
  ['NODE_SECTION_OFF', EXIT.configuration],
  ['NODE_NOT_BUILT_YET', EXIT.configuration],
  ['NODE_PEER_ID_MISMATCH', EXIT.configuration],
  ['NODE_TOKEN_*', EXIT.configuration],
  ['NODE_PLUG_IN_*', EXIT.configuration],
  ['NODE_RUN_FILE_MALFORMED', EXIT.unreachable],

  ['IDENTITY_ETH_KEY_INVALID', EXIT.configuration],
  ['EVM_*', EXIT.configuration],

  // What else the network does to us is that a peer cannot be reached.
  ['NET_*', EXIT.unreachable],
]

export function exitCodeOf(code: string): ExitCode {
  return ROWS.find(([pattern]) => fits(pattern, code))?.[1] ?? EXIT.internal
}

function fits(pattern: string, code: string): boolean {
  if (pattern.startsWith('*')) return code.endsWith(pattern.slice(1))
  if (pattern.endsWith('*')) return code.startsWith(pattern.slice(0, -1))
  return code === pattern
}
