import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CodedError } from '../base/index.ts'
import { classOf, codedFor, errorEvent, STDIO_CODES } from './stdio-classes.ts'
import { StdioError } from './stdio-errors.ts'

const of = (code: string) => classOf({ code, cause: undefined })

test('each code has one of the three classes', () => {
  for (const code of STDIO_CODES) assert.match(code, /^(NETWORK|PROTOCOL|RESOURCE)_[A-Z_]+$/)
  assert.equal(of('NET_PORT_BUSY'), 'RESOURCE_PORT_IN_USE')
  assert.equal(of('NET_CONNECT_FAILED'), 'NETWORK_CONNECT_FAILED')
  assert.equal(of('DHT_PEER_FAILED'), 'NETWORK_LOOKUP_FAILED')
  assert.equal(of('DHT_KEY_INVALID'), 'PROTOCOL_COMMAND_INVALID')
  assert.equal(of('AGENT_MESSAGE_OPTION'), 'PROTOCOL_COMMAND_INVALID')
  assert.equal(of('BASE_DEADLINE'), 'NETWORK_TIMEOUT')
  assert.equal(of('BASE_BUSY'), 'RESOURCE_LIMIT')
  assert.equal(of('NODE_ALREADY_RUNNING'), 'RESOURCE_DATA_IN_USE')
  assert.equal(of('NODE_CONFIG_INVALID'), 'PROTOCOL_CONFIGURATION')
  assert.equal(of('ACCESS_DENIED'), 'NETWORK_REFUSED')
  assert.equal(of('SOMETHING_ELSE'), 'NETWORK_FAILED')
})

test('what no room foresaw is told with the reason, by what the system says of it', () => {
  const full = Object.assign(new RangeError('no memory'), { code: 'ENOMEM' })
  assert.equal(classOf(codedFor('connect', full)), 'RESOURCE_MEMORY')
  const odd = codedFor('send', 'odd')
  assert.equal(classOf(odd), 'RESOURCE_INTERNAL')
  assert.match(odd.message, /Cannot do "send".*odd/)
  const known = new CodedError('A_B', {}, { says: () => 'x' })
  assert.equal(codedFor('send', known), known)
})

test('an error event has the class, the words and our own code', () => {
  const error = StdioError.STDIO_NOT_CONNECTED({ command: 'send' })
  const { message } = error
  const said = { code: 'PROTOCOL_STATE_WRONG', message, retryable: false }
  const cause = 'CONTROL_STDIO_NOT_CONNECTED'
  assert.deepEqual(errorEvent(error, 4), { type: 'error', id: 4, ...said, cause })
  assert.deepEqual(errorEvent(error), { type: 'error', ...said, cause })
})

test('a remedy names what a driver of the process has, and no option of another program', () => {
  const remedyOf = (remedy: string) =>
    String(errorEvent(new CodedError('A_B', {}, { says: () => remedy })).message)
  assert.equal(
    remedyOf('Choose another port with --listen'),
    'Choose another port as "port" of connect',
  )
  const data = remedyOf('give this one its own folder with --data (dataDir in code)')
  assert.match(data, /its own folder with P2P_DATA in its environment$/)
  assert.match(remedyOf('choose another --data folder'), /another folder with P2P_DATA/)
  assert.match(remedyOf('[bootstrap] nodes (flag --bootstrap)'), /"bootstrapPeers" of connect/)
})
