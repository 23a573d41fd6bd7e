import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXIT, exitCodeOf } from './exit-codes.ts'

const WANTED: Readonly<Record<number, readonly string[]>> = {
  1: ['CLI_TOOL_FAILED', 'MCP_TOOL_ERROR'],
  2: [
    'CLI_USAGE',
    'CLI_COMMAND_LINE',
    'MCP_TOOL_AMBIGUOUS',
    'MCP_SERVICE_INVALID',
    'IP_X',
    'DHT_KEY_INVALID',
    'AGENT_MESSAGE_OPTION',
    'IDENTITY_ETH_ADDRESS_INVALID',
    'NODE_ARGUMENT_INVALID',
    'NODE_INJECTED_INVALID',
    'NODE_OFFER_INVALID',
    'NODE_SCHEMA_INVALID',
    'NODE_VALUE_UNFIT',
    'PUBSUB_CODEC_INVALID',
    'PUBSUB_RULES_INVALID',
    'PUBSUB_SCHEMA_ASYNC',
    'PUBSUB_TOPIC_INVALID',
    'PUBSUB_VALUE_REFUSED',
  ],
  3: [
    'CLI_NOT_BUILT_YET',
    'CLI_NO_GATEWAY',
    'NODE_NOT_BUILT_YET',
    'NODE_CONFIG_INVALID',
    'NODE_CONFIG_KEY_UNKNOWN',
    'NODE_PEER_ID_MISMATCH',
    'NODE_TOKEN_EXPOSED',
    'IDENTITY_KEY_FILE_EXPOSED',
    'IDENTITY_KEY_FILE_UNREADABLE',
    'NET_ADDRESS_INVALID',
    'MCP_SERVICE_START_FAILED',
    'MCP_SERVICES_FILE',
    'MCP_APPROVALS_FILE',
    'NODE_SECTION_OFF',
    'ACCESS_WORK_BITS',
  ],
  4: [
    'CONTROL_NODE_UNREACHABLE',
    'CONTROL_TOKEN_INVALID',
    'NET_PEER_UNREACHABLE',
    'NET_CONNECT_FAILED',
    'MCP_TOOL_UNAVAILABLE',
    'MCP_PEER_FAILED',
    'CLI_NODE_GONE',
    'NET_NAME_UNRESOLVED',
    'CLI_RECORD_UNCERTAIN',
    'AGENT_RECORD_UNCERTAIN',
    'NODE_STOPPED',
    'DHT_STOPPED',
    'PUBSUB_PUBLISH_FAILED',
  ],
  5: ['MCP_TOOL_NOT_FOUND', 'MCP_SERVICE_UNKNOWN', 'CLI_RECORD_NOT_FOUND', 'CLI_NO_KEY'],
  6: ['ACCESS_DENIED', 'DHT_NOT_PUBLISHER', 'MCP_PEER_REFUSED', 'CONTROL_HOST_REFUSED'],
  7: ['BASE_DEADLINE', 'MCP_DEADLINE', 'MCP_REQUEST_TIMEOUT'],
  8: ['MCP_OUTCOME_UNKNOWN'],
  9: [
    'ACCESS_QUOTA',
    'BASE_BUSY',
    'NET_PORT_BUSY',
    'CONTROL_PORT_BUSY',
    'NODE_DISK_FULL',
    'NODE_DATA_UNWRITABLE',
    'NODE_ALREADY_RUNNING',
    'DHT_STORE_FULL',
    'DHT_STORE_BROKEN',
    'DHT_PUBLISHER_QUOTA',
    'NET_LISTEN_FAILED',
    'NET_STREAMS_EXHAUSTED',
    'IDENTITY_KEY_FILE_UNWRITABLE',
    'WIRE_TOO_LONG',
    'CONTROL_BODY_TOO_LARGE',
    'MCP_SERVICE_EXISTS',
    'PUBSUB_TOPIC_IN_USE',
  ],
  10: ['CLI_INTERNAL', 'CLI_STOP_TIMEOUT', 'BASE_BUG', 'NOT_EVEN_OURS', ''],
}

for (const [code, errors] of Object.entries(WANTED)) {
  test(`exitCodeOf() answers ${code} to ${errors.join(', ')}`, () => {
    for (const error of errors) assert.equal(exitCodeOf(error), Number(code), error)
  })
}

test('exit codes are told apart', () => {
  assert.equal(new Set(Object.values(EXIT)).size, Object.keys(EXIT).length)
})
