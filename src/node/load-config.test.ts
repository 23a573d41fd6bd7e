import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { CodedError, hasCode } from '../base/index.ts'
import { effectiveToml } from './effective-toml.ts'
import type { ConfigProblem } from './errors.ts'
import { checkPeerId, loadConfig, resolveOptions } from './load-config.ts'
import type { Environment, Flags } from './settings.ts'

const PEER = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'

/** The specification's example, letter by letter. */
const EXAMPLE_FILE = new URL('../../test/vectors/specification.toml', import.meta.url)
const EXAMPLE = await readFile(EXAMPLE_FILE, 'utf8')

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'p2p-config-'))
})
afterEach(() => rm(home, { recursive: true }))

async function load(toml: string, flags: Flags = {}, environment: Environment = {}) {
  const file = join(home, 'config.toml')
  await writeFile(file, toml)
  return loadConfig(flags, { P2P_DATA: home, ...environment })
}

/** Every problem of one configuration, as `CODE: message`. */
async function problemsOf(...given: Parameters<typeof load>): Promise<string[]> {
  try {
    await load(...given)
    return []
  } catch (error) {
    assert.ok(error instanceof CodedError)
    if (error.code !== 'NODE_CONFIG_INVALID') return [`${error.code}: ${error.message}`]
    const { problems } = error.facts as { problems: readonly ConfigProblem[] }
    return problems.map(({ code, message }) => `${code}: ${message}`)
  }
}

test('loadConfig() names every problem of the specification’s example at once', async () => {
  const problems = await problemsOf(EXAMPLE)
  const file = join(home, 'config.toml')
  const expected: [string, string, number | undefined][] = [
    ['NODE_NOT_BUILT_YET', '[tunneling] enabled', 20],
    ['NODE_NOT_BUILT_YET', '[tunneling] preferred_protocols', 21],
    ['NODE_NOT_BUILT_YET', '[tunneling] fallback_cascade', 22],
    ['NODE_NOT_BUILT_YET', '[tunneling] probe_interval', 23],
    ['NODE_CONFIG_UNSAFE', '[mcp] server_address', 26],
    ['NODE_CONFIG_VALUE_INVALID', '[bootstrap] nodes', 10],
    ['NODE_CONFIG_VALUE_INVALID', '[bootstrap] nodes', 10],
  ]
  assert.deepEqual(
    problems.map((problem) => problem.split(')')[0]),
    expected.map(([code, key, line]) => `${code}: Cannot use ${key} (${file}:${line}`),
  )
})

test('loadConfig() takes the example once its problems are out of it, and every key acts', async () => {
  const { config, file } = await load(
    EXAMPLE.replace(/^nodes = \[[^\]]*\]/m, 'nodes = ["/ip4/192.0.2.1/tcp/9000"]')
      .replace('"/p2p/kad/1.0.0"', '"/my/kad/1.0.0"')
      .replace('["native", "dslite", "teredo"]', '["native"]')
      .replace(/^enabled = true\npreferred/m, 'enabled = false\npreferred')
      .replace('fallback_cascade = true', 'fallback_cascade = false')
      .replace('probe_interval = 300', 'probe_interval = 0')
      .replace('"0.0.0.0:8545"', '"127.0.0.1:8600"')
      .replace('replication_factor = 20', 'replication_factor = 7')
      .replace('record_ttl = 3600', 'record_ttl = 1800')
      .replace('provider_ttl = 86400', 'provider_ttl = 43200')
      .replace('max_concurrent_requests = 100', 'max_concurrent_requests = 50')
      .replace('request_timeout = 30', 'request_timeout = 12.5')
      .replace('rate_limit_per_peer = 100', 'rate_limit_per_peer = 60')
      .replace('total_rate_limit = 10000', 'total_rate_limit = 600')
      .replace('max_connections = 1000', 'max_connections = 10')
      .replace('connection_timeout = 30', 'connection_timeout = 3'),
  )
  assert.equal(file, join(home, 'config.toml'))
  assert.equal(config.dataDir, home)
  assert.equal(config.peerId, 'auto')
  assert.equal(config.net.listen?.length, 4)
  assert.deepEqual(config.bootstrap.nodes, ['/ip4/192.0.2.1/tcp/9000'])
  const { protocol, replication, recordTtlSeconds, providerTtlSeconds } = config.dht
  assert.deepEqual(
    { protocol, replication, recordTtlSeconds, providerTtlSeconds },
    {
      protocol: '/my/kad/1.0.0',
      replication: 7,
      recordTtlSeconds: 1_800,
      providerTtlSeconds: 43_200,
    },
  )
  assert.deepEqual(config.mcp.availableTools, ['query_network', 'run_inference', 'forward_to_peer'])
  assert.equal(config.mcp.concurrentMax, 50)
  assert.equal(config.mcp.requestTimeoutMs, 12_500)
  assert.equal(config.control.mcpAddress, '127.0.0.1:8600')
  assert.equal(config.access.ratePerPeer, 60)
  assert.equal(config.access.rateTotal, 600)
  assert.equal(config.net.connectionsMax, 10)
  assert.equal(config.net.connectionTimeoutMs, 3_000)
  assert.equal(config.net.memoryMaxMb, 500)
  assert.equal(config.net.bandwidthMaxMbps, 100)
})

test('an unknown key is named with its line and the nearest key', async () => {
  const [problem = '', ...rest] = await problemsOf('[dht]\nk = 20\n\nrecord_tll = 5\n')
  assert.deepEqual(rest, [])
  assert.match(problem, /^NODE_CONFIG_KEY_UNKNOWN: .*\[dht\] record_tll \(.*config\.toml:4\)/)
  assert.match(problem, /Did you mean \[dht\] record_ttl\?/)
  const [section = ''] = await problemsOf('[secruity]\nrate_limit_per_peer = 5\n')
  assert.match(section, /NODE_CONFIG_KEY_UNKNOWN.*Did you mean \[security\] rate_limit_per_peer/)
  const [top = ''] = await problemsOf('preset = "private"\n')
  assert.match(top, /NODE_CONFIG_KEY_UNKNOWN: .*\[preset\] \(.*:1\)/)
})

test('a value of the wrong type says what was found and what is wanted', async () => {
  const wrong: [string, RegExp][] = [
    ['[dht]\nrecord_ttl = "3600"', /found text "3600", wanted a whole number/],
    ['[dht]\nrecord_ttl = 1.5', /found the number 1.5, wanted a whole number/],
    ['[dht]\nenabled = "yes"', /found text "yes", wanted true or false/],
    ['[network]\nlisten_addresses = "/ip6/::"', /found text ".*", wanted a list of texts/],
    ['[network]\nlisten_addresses = [1]', /found a list \[1\], wanted a list of texts/],
    ['[network]\nname = 5', /found the number 5, wanted text in quotes/],
    ['[mcp]\nrequest_timeout = 2020-01-01', /found a date or time .*, wanted a number/],
    ['[resources]\nmax_connections = 99999999999999999999', /found the number 9+, wanted a whole/],
    ['[resources]\nconnection_timeout = inf', /wanted a number/],
    ['[log]\nmodules = "debug"', /wanted a section of its own/],
    ['mcp = 5', /NODE_CONFIG_KEY_UNKNOWN/],
    ['[mcpp]', /NODE_CONFIG_KEY_UNKNOWN: .*\[mcpp\] \(.*:1\).*Did you mean \[mcp\]/],
  ]
  for (const [toml, message] of wrong) {
    const problems = await problemsOf(toml)
    assert.equal(problems.length, 1, toml)
    assert.match(problems[0] ?? '', message)
  }
})

test('a value out of bounds is told in the units of the file', async () => {
  const wrong: [string, RegExp][] = [
    ['[mcp]\nrequest_timeout = 0.05', /found 0.05, wanted at least 0.1 seconds/],
    ['[mcp]\nrequest_timeout = 601', /found 601, wanted at most 600 seconds/],
    ['[dht]\nreplication_factor = 21', /found 21, wanted at most 20/],
    [
      '[network]\npreset = "open"',
      /found "open", wanted one of "public", "private", "agent", "bootstrap", "test"/,
    ],
    ['[network]\nname = "Main Net"', /found "Main Net", wanted up to 32 lower-case/],
    ['[network]\npeer_id = "me"', /found "me", wanted "auto" or the base58/],
    ['[log.modules]\nnet = "loud"', /\[log\] modules .*:1\): found "loud", wanted one of "trace"/],
    ['[control]\napi_address = "127.0.0.1"', /wanted an IP address and a port/],
    ['[control]\napi_address = "127.0.0.1:65536"', /wanted an IP address and a port/],
    ['[security]\nblocked = ["x"]', /\[security\] blocked .*found "x", .*peer id/],
    ['[network]\nlisten_addresses = ["/ip4/1.2.3.4"]', /found "\/ip4\/1.2.3.4", wanted an address/],
    ['[bootstrap]\nnodes = ["nonsense"]', /found "nonsense", wanted an address/],
  ]
  for (const [toml, message] of wrong) {
    const problems = await problemsOf(toml)
    assert.equal(problems.length, 1, `${toml}: ${problems.join()}`)
    assert.match(problems[0] ?? '', /^NODE_CONFIG_VALUE_INVALID/)
    assert.match(problems[0] ?? '', message)
  }
})

test('encryption and authentication cannot be switched off', async () => {
  for (const key of ['enable_encryption', 'require_authentication']) {
    assert.deepEqual(await problemsOf(`[security]\n${key} = true`), [])
    const [problem = ''] = await problemsOf(`[security]\n${key} = false`)
    assert.match(problem, /^NODE_CONFIG_UNSAFE: .*found false, but .*always/)
  }
})

test('keys of rooms to come are refused with the room that brings them', async () => {
  const toCome: [string, RegExp][] = [
    ['[storage]\nenabled = true', /"storage"/],
    ['[storage]\nchunk_size = 4', /"storage"/],
    ['[memory]\npeers = []', /"memory"/],
    ['[tunneling]\nenabled = true', /"tunnel"/],
  ]
  for (const [toml, room] of toCome) {
    const problems = await problemsOf(toml)
    assert.equal(problems.length, 1)
    assert.match(problems[0] ?? '', /^NODE_NOT_BUILT_YET/)
    assert.match(problems[0] ?? '', room)
  }
  const off = '[storage]\nenabled = false\n[tunneling]\nenabled = false\n'
  assert.deepEqual(await problemsOf(`${off}preferred_protocols = ["native"]`), [])
})

test('an address beyond loopback needs the key that says what it exposes', async () => {
  const faces: [string, string][] = [
    ['mcp', 'server_address'],
    ['control', 'api_address'],
  ]
  for (const [section, key] of faces) {
    for (const address of ['0.0.0.0:8545', '192.0.2.1:1', '[::]:8545', '128.0.0.1:1']) {
      const toml = `[${section}]\n${key} = "${address}"\n`
      const [problem = ''] = await problemsOf(toml)
      assert.match(problem, /^NODE_CONFIG_UNSAFE: .*expose_beyond_loopback = true/)
      assert.deepEqual(await problemsOf(`${toml}expose_beyond_loopback = true`), [])
    }
    for (const address of ['127.0.0.1:1', '127.9.9.9:1', '[::1]:1', 'localhost:1']) {
      assert.deepEqual(await problemsOf(`[${section}]\n${key} = "${address}"`), [])
    }
  }
})

test('what is said later wins: file, then environment, then flags', async () => {
  const toml =
    '[network]\nname = "file"\n[dht]\nk = 5\nalpha = 2\n[mcp]\nserver_address = "[::1]:1"'
  const environment = { P2P_NETWORK_NAME: 'variable', P2P_DHT_K: '6', P2P_BOOTSTRAP_NODES: '' }
  const { config } = await load(toml, { network: 'flag', mcpPort: 7, apiPort: 0 }, environment)
  assert.equal(config.network, 'flag')
  assert.equal(config.dht.k, 6)
  assert.equal(config.dht.alpha, 2)
  assert.equal(config.control.mcpAddress, '[::1]:7')
  assert.equal(config.control.apiAddress, '127.0.0.1:0')
})

test('the environment is read by kind, and its mistakes are named', async () => {
  const { config, notices } = await load(
    '',
    {},
    {
      P2P_NETWORK_MDNS: 'false',
      P2P_MCP_REQUEST_TIMEOUT: '1.5',
      P2P_BOOTSTRAP_NODES: '/ip4/192.0.2.1/tcp/1, /ip4/192.0.2.2/tcp/1',
      P2P_SOMETHING_ELSE: 'x',
      OTHER: 'x',
    },
  )
  assert.equal(config.bootstrap.mdns, false)
  assert.equal(config.mcp.requestTimeoutMs, 1_500)
  assert.equal(config.bootstrap.nodes.length, 2)
  assert.deepEqual(notices, [
    'environment variable P2P_SOMETHING_ELSE is no setting of ours: ignored',
  ])
  const [wrong = ''] = await problemsOf('', {}, { P2P_DHT_K: 'many' })
  assert.match(wrong, /\[dht\] k \(environment variable P2P_DHT_K\): found text "many"/)
  const [unknown = ''] = await problemsOf('', {}, { P2P_DHT_REKORD_TTL: '5' })
  assert.match(unknown, /NODE_CONFIG_KEY_UNKNOWN.*P2P_DHT_REKORD_TTL.*record_ttl/)
})

test('gRPC for other hosts needs both files of TLS', async () => {
  const [certificate, key] = ['grpc_certificate_file = "c.pem"\n', 'grpc_key_file = "k.pem"\n']
  for (const address of ['0.0.0.0:50051', '[::]:1', '192.0.2.1:1']) {
    const toml = `[control]\ngrpc_address = "${address}"\n`
    const [problem = ''] = await problemsOf(toml)
    assert.match(problem, /^NODE_CONFIG_UNSAFE: .*grpc_certificate_file.*grpc_key_file/)
    assert.deepEqual(await problemsOf(`${toml}${certificate}${key}`), [])
    const [half = ''] = await problemsOf(`${toml}${certificate}`)
    assert.match(half, /^NODE_CONFIG_UNSAFE/)
  }
  assert.deepEqual(await problemsOf('[control]\ngrpc_address = "127.0.0.1:50051"\n'), [])
})

test('flags are named when they are wrong', async () => {
  const wrong: [Flags, RegExp][] = [
    [{ preset: 'open' }, /flag --preset/],
    [{ listen: ['/x'] }, /flag --listen/],
    [{ bootstrap: ['/ip4/1.2.3.4/tcp/1/p2p/x'] }, /flag --bootstrap/],
    [{ apiPort: 99_999 }, /flag --api-port/],
    [{ grpcPort: 99_999 }, /flag --grpc-port/],
    [{ network: '' }, /flag --network/],
  ]
  for (const [flags, message] of wrong) {
    const problems = await problemsOf('', flags)
    assert.equal(problems.length, 1, JSON.stringify(flags))
    assert.match(problems[0] ?? '', message)
  }
})

test('preset private has no DHT and no first peers, and nothing may say otherwise', async () => {
  const { config } = await load('[network]\npreset = "private"')
  assert.equal(config.dht.enabled, false)
  assert.equal(config.bootstrap.mdns, true)
  const head = '[network]\npreset = "private"\n'
  const [dht = ''] = await problemsOf(`${head}[dht]\nenabled = true`)
  assert.match(dht, /^NODE_CONFIG_CONFLICT: .*\[dht\] enabled/)
  const node = '["/ip4/192.0.2.1/tcp/1"]'
  const [nodes = ''] = await problemsOf(`${head}[bootstrap]\nnodes = ${node}`)
  assert.match(nodes, /^NODE_CONFIG_CONFLICT: .*\[bootstrap\] nodes/)
})

test('preset test meets nobody else and takes free ports, under what is said above it', async () => {
  const { config } = await load('[control]\napi_address = "127.0.0.1:7"', { preset: 'test' })
  assert.equal(config.network, 'test')
  assert.equal(config.bootstrap.mdns, false)
  assert.equal(config.control.apiAddress, '127.0.0.1:7')
  assert.equal(config.control.mcpAddress, '127.0.0.1:0')
  assert.ok(config.net.listen?.every((address) => address.includes('/127.0.0.1/')))
})

test('files that cannot be read are named with the reason', async () => {
  const missing = join(home, 'none.toml')
  const flags = { config: missing, data: home }
  await assert.rejects(loadConfig(flags, {}), coded('NODE_CONFIG_UNREADABLE'))
  await assert.rejects(loadConfig({ config: home, data: home }, {}), (error: Error) => {
    assert.match(error.message, new RegExp(home))
    return coded('NODE_CONFIG_UNREADABLE')(error)
  })
  const [syntax = ''] = await problemsOf('[dht]\nk = = 5\n')
  assert.match(syntax, /^NODE_CONFIG_SYNTAX: .*config\.toml:2:\d+/)
  const [twice = ''] = await problemsOf('[dht]\nk = 5\nk = 6\n')
  assert.match(twice, /^NODE_CONFIG_SYNTAX/)
  await assert.rejects(load(`# ${'x'.repeat(2 ** 20)}`), coded('NODE_CONFIG_UNREADABLE'))
  const { file } = await loadConfig({ data: join(home, 'new') }, {})
  assert.equal(file, undefined)
})

test('the data folder is that of the flag, else the variable, else the file from outside', async () => {
  const elsewhere = join(home, 'elsewhere')
  const outside = join(home, 'outside.toml')
  await writeFile(outside, `[network]\ndata = "${elsewhere}"`)
  const dataDir = async (flags: Flags, environment: Environment) => {
    return (await loadConfig(flags, environment)).config.dataDir
  }
  assert.equal(await dataDir({ config: outside }, {}), elsewhere)
  assert.equal(await dataDir({ config: outside }, { P2P_DATA: '/variable' }), '/variable')
  assert.equal(await dataDir({ config: outside, data: '/f' }, { P2P_DATA: '/v' }), '/f')
  assert.match(await dataDir({}, {}), /p2p-foundation$/)
  const [moved = ''] = await problemsOf(`[network]\ndata = "${elsewhere}"`)
  assert.match(moved, /^NODE_CONFIG_CONFLICT/)
  assert.deepEqual(await problemsOf(`[network]\ndata = "${home}"`), [])
})

test('what p2p config prints gives the same configuration when it is read again', async () => {
  const first = await load(
    '[network]\npreset = "private"\n[log]\nlevel = "warn"\n[log.modules]\nnet = "debug"\n' +
      `[security]\nblocked = ["${PEER}"]\n[mcp]\nrequest_timeout = 1.25\n`,
  )
  const printed = effectiveToml(first.config)
  const again = await load(printed)
  assert.deepEqual(again.config, first.config)
  assert.equal(effectiveToml(again.config), printed)
  assert.match(printed, /^# api_address is not set\. /m)
  assert.match(printed, /^request_timeout = 1\.25$/m)
})

test('resolveOptions() checks what a program gives, under the preset', () => {
  const config = resolveOptions({ preset: 'test', dataDir: home, dht: { k: 7 } }, {})
  assert.equal(config.dht.k, 7)
  assert.equal(config.network, 'test')
  assert.equal(config.dataDir, home)
  assert.throws(
    () => resolveOptions({ dht: { k: 0 } }, {}),
    (error: Error) => {
      assert.match(error.message, /dht\.k: wanted at least 1/)
      return coded('NODE_CONFIG_INVALID')(error)
    },
  )
  const typo = { dth: {} } as object
  assert.throws(() => resolveOptions(typo, {}), coded('NODE_CONFIG_INVALID'))
})

test('checkPeerId() wants the key of the peer id that was configured', () => {
  const config = resolveOptions({ peerId: PEER, dataDir: home }, {})
  checkPeerId(config, PEER, '/data/identity.key')
  checkPeerId({ ...config, peerId: 'auto' }, 'other', '/data/identity.key')
  const mismatch = coded('NODE_PEER_ID_MISMATCH')
  assert.throws(() => checkPeerId(config, 'other', '/data/identity.key'), mismatch)
})

test('resolveOptions() says which option is wrong, and why, in the words of the code', () => {
  const wrong = (options: unknown) => {
    try {
      resolveOptions(options as Parameters<typeof resolveOptions>[0], {})
    } catch (error) {
      assert.ok(hasCode(error, 'NODE_CONFIG_INVALID'))
      return error.message.split('\n')[1]
    }
    return 'nothing'
  }
  const prefix = '  NODE_CONFIG_VALUE_INVALID: Cannot use'
  assert.equal(
    wrong({ dataDirectory: 'x' }),
    `${prefix} the options: wanted no "dataDirectory", which there is not`,
  )
  assert.equal(
    wrong({ net: { listen: 'x' } }),
    `${prefix} net.listen: wanted array, received string`,
  )
  assert.equal(
    wrong({ mcp: { requestTimeoutMs: 1 } }),
    `${prefix} mcp.requestTimeoutMs: wanted at least 100`,
  )
  assert.equal(wrong(null), `${prefix} the options: wanted object, received null`)
})

test('a key of an address turns the agent on, unless the file or a variable says no', async () => {
  const key = { PRIVATE_KEY: '1'.repeat(64) }
  const on = async (environment: object) => {
    const { config } = await loadConfig({ data: '/nonexistent' }, environment as Environment)
    return config.agent.enabled
  }
  assert.deepEqual(
    [await on({}), await on({ PRIVATE_KEY: '' }), await on(key)],
    [false, false, true],
  )
  assert.equal(await on({ ...key, P2P_AGENT_ENABLED: 'false' }), false)
})
