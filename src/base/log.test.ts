import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { defineErrors } from './errors.ts'
import { correlationId, createLog, type LogOptions, silentLog, withCorrelation } from './log.ts'

const PEER = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
const SHORT = '…AJU5SA'

function setup(options: Partial<LogOptions> = {}) {
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>)
  return { lines, log: createLog({ level: 'trace', ...options, write }) }
}

test('a line holds time, level, module, message and fields', () => {
  const { lines, log } = setup()
  log.child('mcp').warn('tool call failed', { tool: 'add', ms: 12 })
  const [{ time, ...line } = {}] = lines
  assert.deepEqual(line, {
    level: 'warn',
    module: 'mcp',
    tool: 'add',
    ms: 12,
    msg: 'tool call failed',
  })
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
})

test('peer ids are shortened wherever they stand in the fields', () => {
  const { lines, log } = setup()
  log.info('seen', {
    peer: PEER,
    address: `/ip4/192.0.2.1/tcp/9000/p2p/${PEER}`,
    all: [PEER, { deep: PEER }],
    byPeer: { [PEER]: 1 },
    error: new TypeError(`no answer from ${PEER}`),
    old: 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
  })
  assert.doesNotMatch(JSON.stringify(lines), /[1-9A-HJ-NP-Za-km-z]{40}/)
  const [line = {}] = lines
  assert.equal(line.peer, SHORT)
  assert.equal(line.address, `/ip4/192.0.2.1/tcp/9000/p2p/${SHORT}`)
})

test('secrets are cut by name, at every depth', () => {
  const { lines, log } = setup()
  log.child(`connection:${PEER}`).info('of a library')
  assert.equal(lines.pop()?.module, `connection:${SHORT}`)
  const secret = 'swordfish'
  log.info('request', {
    authorization: secret,
    Token: secret,
    apiToken: secret,
    password: secret,
    privateKey: secret,
    PRIVATE_KEY: secret,
    api_key: secret,
    mnemonic: [secret],
    body: secret,
    headers: { Authorization: secret, cookie: secret },
    list: [{ clientSecret: secret }],
    a: { b: { c: { d: { e: { token: secret, peer: PEER } } } } },
  })
  assert.doesNotMatch(JSON.stringify(lines), /swordfish/)
  assert.doesNotMatch(JSON.stringify(lines), new RegExp(PEER))
})

test('what only resembles a secret by name is kept', () => {
  const { lines, log } = setup()
  log.info('start', { tokenFile: '/data/api.token', bodyBytes: 7, tokens: 3 })
  const [{ tokenFile, bodyBytes, tokens } = {}] = lines
  assert.deepEqual(
    { tokenFile, bodyBytes, tokens },
    { tokenFile: '/data/api.token', bodyBytes: 7, tokens: 3 },
  )
})

test('bytes are counted, not printed', () => {
  const { lines, log } = setup()
  log.info('frame', { seed: Uint8Array.of(1, 2, 3), inner: { raw: Buffer.from('ab') } })
  const [line = {}] = lines
  assert.equal(line.seed, '[3 bytes]')
  assert.deepEqual(line.inner, { raw: '[2 bytes]' })
})

test('an error is its code, its message and its causes', () => {
  const Errors = defineErrors('SAMPLE', { BAD: { says: () => 'Cannot do it' } })
  const { lines, log } = setup()
  log.error('failed', { error: Errors.BAD({}, new TypeError('below')) })
  assert.equal(lines[0]?.error, 'SAMPLE_BAD: Cannot do it (below)')
  const loop = new TypeError('loop')
  loop.cause = loop
  log.error('failed', { error: loop })
  assert.match(String(lines[1]?.error), /^loop \(loop/)
})

test('each module has its own level; the longest name that covers it decides', () => {
  const { lines, log } = setup({
    level: 'warn',
    modules: { net: 'info', 'net:quic': 'debug', mcp: 'silent' },
  })
  const said = (module: string) => {
    lines.length = 0
    const child = log.child(module)
    child.debug('d')
    child.info('i')
    child.warn('w')
    child.error('e')
    return lines.map((line) => line.msg).join('')
  }
  assert.equal(said('dht'), 'we')
  assert.equal(said('net'), 'iwe')
  assert.equal(said('net:tcp'), 'iwe')
  assert.equal(said('net:quic'), 'diwe')
  assert.equal(said('network'), 'we')
  assert.equal(said('mcp'), '')
  log.info('root')
  assert.equal(lines.length, 0)
})

test('the correlation id of a request is in every line it causes, and in no other', async () => {
  const { lines, log } = setup()
  const request = async (id: string) => {
    await setImmediate()
    assert.equal(correlationId(), id)
    log.child('rpc').info('served')
  }
  await Promise.all(['one', 'two'].map((id) => withCorrelation(id, () => request(id))))
  log.info('after')
  assert.deepEqual(
    lines.map((line) => line.correlationId),
    ['one', 'two', undefined],
  )
  assert.equal(correlationId(), undefined)
})

test('the silent log and its children say nothing', () => {
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    silentLog.child('any')[level]('nothing', { x: 1 })
  }
})

test('setLevels() applies to loggers that were made before', () => {
  const { lines, log } = setup({ level: 'warn' })
  const net = log.child('net')
  net.info('not yet')
  log.setLevels({ level: 'warn', modules: { net: 'info' } })
  net.info('now')
  log.child('dht').info('not this one')
  log.setLevels({ level: 'silent' })
  net.error('no more')
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['now'],
  )
})
