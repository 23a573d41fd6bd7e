import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { CodedError } from '../../base/index.ts'
import type { CheckedConfig, StartOptions } from '../rooms.ts'
import { configCheck, configPath, configShow } from './config.ts'

const loaded: CheckedConfig = {
  file: '/data/config.toml',
  toml: 'from = "file"\n',
  notices: ['P2P_ODD is no setting of ours'],
}

function loading(found = loaded) {
  const asked: Pick<StartOptions, 'flags'>[] = []
  const rooms = {
    async loadConfig(options: Pick<StartOptions, 'flags'>) {
      asked.push(options)
      return found
    },
  }
  return { asked, rooms }
}

test('config show prints what the running node uses', async () => {
  const node = { config: async () => 'from = "node"\n' }
  const { context, printed, seen } = setup({ node, json: true })
  await configShow.run(context)
  assert.deepEqual(printed(), { running: true, toml: 'from = "node"\n' })
  assert.equal(seen.closed, 1)
})

test('config show prints what a start would use where no node runs', async () => {
  const { rooms } = loading()
  const { context, stdout } = setup({ rooms })
  await configShow.run(context)
  assert.equal(stdout.text, 'from = "file"\n')
})

test('config show of a given file does not ask the node', async () => {
  const { rooms, asked } = loading()
  const { context, seen } = setup({ rooms, node: {}, options: { config: 'my.toml' } })
  await configShow.run(context)
  assert.equal(asked[0]?.flags.config, '/here/my.toml')
  assert.equal(seen.connects, 0)
})

test('config show passes on that a node refuses us', async () => {
  const refused = new CodedError('CONTROL_TOKEN_INVALID', {}, { says: () => 'no' })
  const { context } = setup({ node: { config: () => Promise.reject(refused) } })
  await assert.rejects(configShow.run(context), coded('CONTROL_TOKEN_INVALID'))
})

test('config check says that nothing is wrong, and with what', async () => {
  const { rooms } = loading()
  const found = setup({ rooms, json: true })
  await configCheck.run(found.context)
  assert.deepEqual(found.printed(), { ok: true, file: loaded.file, notices: loaded.notices })
  const absent = setup({ rooms: loading({ ...loaded, file: undefined }).rooms })
  await configCheck.run(absent.context)
  assert.match(absent.stdout.text, /the defaults: there is no \/data\/config\.toml/)
  assert.equal(absent.stderr.text, '! P2P_ODD is no setting of ours\n')
})

test('config check fails with what is wrong', async () => {
  const wrong = new CodedError('NODE_CONFIG_INVALID', {}, { says: () => 'two problems' })
  const { context } = setup({ rooms: { loadConfig: () => Promise.reject(wrong) } })
  await assert.rejects(configCheck.run(context), coded('NODE_CONFIG_INVALID'))
})

test('config path prints the file of the data folder or the one given', async () => {
  const usual = setup()
  await configPath.run(usual.context)
  assert.equal(usual.stdout.text, '/data/config.toml\n')
  const given = setup({ options: { config: 'my.toml' }, json: true })
  await configPath.run(given.context)
  assert.deepEqual(given.printed(), { file: '/here/my.toml' })
})
