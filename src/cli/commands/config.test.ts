import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Setup, setup, unreachable } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { CodedError } from '../../base/index.ts'
import type { CheckedConfig, StartOptions } from '../rooms.ts'
import { configCheck, configPath, configSet, configShow } from './config.ts'

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

test('config show of a key prints its value alone', async () => {
  const rooms = { valueIn: async (toml: string, key: string) => [toml, key] }
  const node = { config: async () => 'from = "node"' }
  const { context, printed } = setup({ node, rooms, args: ['mcp.enabled'], json: true })
  await configShow.run(context)
  const value = ['from = "node"', 'mcp.enabled']
  assert.deepEqual(printed(), { running: true, key: 'mcp.enabled', value })
  const person = setup({ node, rooms: { valueIn: async () => 30 }, args: ['mcp.request_timeout'] })
  await configShow.run(person.context)
  assert.equal(person.stdout.text, '30\n')
})

/** `config set` of one key, against a node that answers as given. */
function setting(args: readonly string[], node?: Setup['node'], options: Setup['options'] = {}) {
  const asked: unknown[] = []
  const rooms: Setup['rooms'] = {
    async editConfig(wanted) {
      asked.push(wanted)
      const { key, text = null } = wanted
      return { file: '/data/config.toml', key, value: text, previous: 30, notices: ['mind this'] }
    },
  }
  return { asked, ...setup({ args, rooms, options, json: true, ...(node && { node }) }) }
}

test('config set changes the file, and the running node where that is safe', async () => {
  const changes: unknown[] = []
  const node = (restart: readonly string[]) => ({
    reconfigure: async (given: unknown) => {
      changes.push(given)
      return { now: [], restart }
    },
  })
  const safe = setting(['mcp.request_timeout', '45'], node([]))
  await configSet.run(safe.context)
  assert.deepEqual(safe.printed(), {
    file: '/data/config.toml',
    key: 'mcp.request_timeout',
    value: '45',
    previous: 30,
    applied: 'now',
  })
  const later = setting(['dht.k', '5'], node(['dht.k']))
  await configSet.run(later.context)
  assert.equal((later.printed() as { applied: string }).applied, 'restart')
  assert.deepEqual(changes, [{ 'mcp.request_timeout': '45' }, { 'dht.k': '5' }])
})

test('config set --unset gives the node what its preset says', async () => {
  const changes: unknown[] = []
  const node = {
    reconfigure: async (given: unknown) => {
      changes.push(given)
      return { now: ['dht.alpha'], restart: [] }
    },
  }
  const { context, asked } = setting(['dht.alpha'], node, { unset: true })
  await configSet.run(context)
  assert.deepEqual(asked, [{ key: 'dht.alpha', text: undefined }])
  assert.deepEqual(changes, [{ 'dht.alpha': null }])
})

test('config set says when no node runs, and leaves that of another file alone', async () => {
  const nobody = setting(['dht.k', '5'])
  await configSet.run(nobody.context)
  assert.equal((nobody.printed() as { applied: string }).applied, 'node not running')
  const status = async () => Promise.reject(unreachable())
  const gone = setting(['dht.k', '5'], { status }, { config: 'my.toml' })
  await configSet.run(gone.context)
  assert.equal((gone.printed() as { applied: string }).applied, 'node not running')
  const other = setting(['dht.k', '5'], { status: async () => ({}) as never }, { config: 'x.toml' })
  await configSet.run(other.context)
  assert.equal((other.printed() as { applied: string }).applied, 'restart')
})

test('config set keeps the file when the node cannot take the change as it runs', async () => {
  const refused = new CodedError('NODE_CONFIG_CONFLICT', {}, { says: () => 'not beside its flags' })
  const { context, stdout, stderr } = setup({
    args: ['dht.k', '5'],
    node: { reconfigure: () => Promise.reject(refused) },
    rooms: {
      editConfig: async ({ key }) => {
        return { file: '/data/config.toml', key, value: 5, previous: null, notices: [] }
      },
    },
  })
  await configSet.run(context)
  assert.match(stderr.text, /keeps what it has: not beside its flags/)
  assert.match(stdout.text, /dht.k: not set → 5 in \/data\/config.toml\n.*started again/)
})

test('config set wants a value or --unset, and not both', async () => {
  for (const [args, options] of [
    [['dht.k'], {}],
    [['dht.k', '5'], { unset: true }],
    [[], {}],
  ] as const) {
    const { context, asked } = setting(args, undefined, options)
    await assert.rejects(configSet.run(context), coded('CLI_USAGE'))
    assert.deepEqual(asked, [])
  }
})
