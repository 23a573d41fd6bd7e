import { join, resolve } from 'node:path'
import { CodedError, hasCode } from '../../base/index.ts'
import type { Command, Context } from '../command.ts'
import { CONFIG_FILE } from '../data-files.ts'
import { CliError } from '../errors.ts'
import { flagsOf } from '../flags.ts'
import { flagOption, required, textOption } from '../options.ts'
import { clean } from '../output.ts'
import type { CheckedConfig } from '../rooms.ts'

const FILE_OPTION = {
  flags: '--config <file>',
  help: 'read this file instead of config.toml in the data folder',
}

export const configShow: Command = {
  name: 'config show',
  summary: 'Print the configuration in effect: of the running node, else what a start would use',
  args: '[key]',
  options: [FILE_OPTION],
  examples: ['config show', 'config show mcp.request_timeout', 'config show > config.toml'],
  timeoutMs: 10_000,
  groupDefault: true,

  async run(context) {
    const { args, options, out, rooms } = context
    const found = options.config === undefined ? await ofRunningNode(context) : undefined
    const toml = found ?? (await load(context)).toml
    const running = found !== undefined
    const [key] = args
    if (key === undefined) {
      out.print({ running, toml }, () => [clean(toml).trimEnd()])
      return
    }
    const value = await rooms.valueIn(toml, key)
    out.print({ running, key, value: value ?? null }, () => [shown(value)])
  },
}

export const configCheck: Command = {
  name: 'config check',
  summary: 'Check the configuration file, environment and all, and say what is wrong',
  options: [FILE_OPTION],
  examples: ['config check', 'config check --config ./p2p.toml'],
  timeoutMs: 10_000,

  async run(context) {
    const { file, notices } = await load(context)
    const what = file ?? `the defaults: there is no ${join(context.dataDir, CONFIG_FILE)}`
    const report = { ok: true, file: file ?? null, notices }
    context.out.print(report, () => [`Nothing is wrong with ${what}`])
  },
}

export const configSet: Command = {
  name: 'config set',
  summary: 'Change one key of the configuration file, and of the running node where that is safe',
  args: '<key> [value]',
  options: [FILE_OPTION, { flags: '--unset', help: 'take the key out of the file instead' }],
  examples: [
    'config set mcp.request_timeout 45',
    'config set log.modules.net debug',
    'config set bootstrap.nodes --unset',
  ],
  timeoutMs: 10_000,

  async run(context) {
    const { args, options, out, rooms, env } = context
    const key = required(args, 0, { command: 'config set', expected: 'a key' })
    const [, text] = args
    if (flagOption(options, 'unset') === (text !== undefined)) {
      throw CliError.USAGE({ command: 'config set', expected: 'either a value or --unset' })
    }
    const { notices, ...done } = await rooms.editConfig(
      { key, text },
      { flags: flagsOf(context), env },
    )
    for (const notice of notices) out.note(`! ${notice}`)
    const applied = await appliedBy(context, key, done.value)
    out.print({ ...done, applied }, () => [
      `${key}: ${shown(done.previous)} → ${shown(done.value)} in ${done.file}`,
      EFFECT[applied],
    ])
  },
}

type Applied = 'now' | 'restart' | 'node not running'

const EFFECT: Readonly<Record<Applied, string>> = {
  now: 'The running node uses it from now on',
  restart: 'It takes effect when the node is started again',
  'node not running': 'It takes effect when a node is started',
}

export const configPath: Command = {
  name: 'config path',
  summary: 'Print where the configuration file is, or would be',
  options: [FILE_OPTION],
  examples: ['config path'],
  timeoutMs: 10_000,

  async run({ cwd, dataDir, options, out }) {
    const given = textOption(options, 'config')
    const file = given === undefined ? join(dataDir, CONFIG_FILE) : resolve(cwd, given)
    out.print({ file }, () => [file])
  },
}

/** A file given by name may be that of another node, so the one that runs is left alone. */
async function appliedBy(context: Context, key: string, value: unknown): Promise<Applied> {
  const { options, out, signal } = context
  try {
    await using node = await context.connect()
    if (options.config !== undefined) {
      await node.status({ signal })
      return 'restart'
    }
    const { restart } = await node.reconfigure({ [key]: value }, { signal })
    return restart.length === 0 ? 'now' : 'restart'
  } catch (error) {
    if (hasCode(error, 'CONTROL_NODE_UNREACHABLE')) return 'node not running'
    if (!isCoded(error) || !error.code.startsWith('NODE_')) throw error
    // The file is right by itself; what the node was started with stands against it.
    out.note(`! The running node keeps what it has: ${error.message}`)
    return 'restart'
  }
}

function isCoded(error: unknown): error is CodedError {
  return error instanceof CodedError
}

/** A value as the file has it. */
function shown(value: unknown): string {
  if (value === null || value === undefined) return 'not set'
  return clean(typeof value === 'string' ? value : JSON.stringify(value))
}

async function ofRunningNode({ connect, signal }: Context): Promise<string | undefined> {
  try {
    await using node = await connect()
    return await node.config({ signal })
  } catch (error) {
    if (hasCode(error, 'CONTROL_NODE_UNREACHABLE')) return undefined
    throw error
  }
}

async function load(context: Context): Promise<CheckedConfig> {
  const loaded = await context.rooms.loadConfig({ flags: flagsOf(context), env: context.env })
  for (const notice of loaded.notices) context.out.note(`! ${notice}`)
  return loaded
}
