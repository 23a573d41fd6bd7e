import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { agentEnvironment, environmentWith, flagsFor, readOptions } from './stdio-options.ts'

test('readOptions() takes the three flags in both spellings', () => {
  const none = { port: undefined, name: undefined, envFile: undefined }
  assert.deepEqual(readOptions([]), none)
  assert.deepEqual(readOptions(['-p', '8000', '-n', 'agent1']), {
    port: 8_000,
    name: 'agent1',
    envFile: undefined,
  })
  assert.deepEqual(readOptions(['--port=0', '--env-file', '.env.agent1']), {
    ...none,
    port: 0,
    envFile: '.env.agent1',
  })
})

test('readOptions() refuses what cannot be, and every key', () => {
  const wrong = [['-p', '70000'], ['-p', 'x'], ['-p'], ['-n', '..'], ['-n', 'a/b'], ['-n', '']]
  for (const argv of [...wrong, ['run'], ['--verbose'], ['-k', '0x1']]) {
    assert.throws(() => readOptions(argv), coded('CONTROL_STDIO_OPTION_INVALID'), argv.join(' '))
  }
})

test('environmentWith() lets the environment win over the file', () => {
  const text = '# agent\nPRIVATE_KEY="0xaa"\nRPC_URL=http://x # here\n'
  const env = environmentWith(text, { RPC_URL: 'http://y', EMPTY: undefined })
  assert.deepEqual(env, { PRIVATE_KEY: '0xaa', RPC_URL: 'http://y' })
})

test('agentEnvironment() switches the agent on unless somebody says no', () => {
  const env = agentEnvironment({ P2P_NETWORK_PRESET: 'test' }, 'a')
  assert.deepEqual(env, {
    P2P_NETWORK_PRESET: 'test',
    P2P_AGENT_ENABLED: 'true',
    P2P_AGENT_NAME: 'a',
  })
  assert.equal(
    agentEnvironment({ P2P_AGENT_ENABLED: 'false' }, undefined).P2P_AGENT_ENABLED,
    'false',
  )
})

test('flagsFor() gives each name a folder, and each address the port', () => {
  const { data, listen } = flagsFor({ name: 'a', port: undefined }, undefined, {})
  assert.match(data ?? '', /[\\/]agents[\\/]a$/)
  assert.ok(listen?.every((address) => /\/(tcp|udp)\/0(\/|$)/.test(address)))
  const usual = flagsFor({ name: undefined, port: 8_000 }, ['/ip4/1.2.3.4/tcp/1'], {})
  assert.match(usual.data ?? '', /[\\/]agents[\\/]agent$/)
  assert.ok(usual.listen?.includes('/ip4/0.0.0.0/tcp/8000'))
  assert.deepEqual(usual.bootstrap, ['/ip4/1.2.3.4/tcp/1'])
})

test('flagsFor() keeps the folder and the addresses that the environment names', () => {
  const P2P_NETWORK_LISTEN_ADDRESSES = '/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/udp/2/quic-v1'
  const env = { P2P_DATA: '/d', P2P_NETWORK_LISTEN_ADDRESSES }
  assert.deepEqual(flagsFor({ name: 'a', port: undefined }, undefined, env), {})
  assert.deepEqual(flagsFor({ name: 'a', port: 9 }, undefined, env), {
    listen: ['/ip4/127.0.0.1/tcp/9', '/ip4/127.0.0.1/udp/9/quic-v1'],
  })
})
