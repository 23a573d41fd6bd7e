import { join, resolve } from 'node:path'
import { hasCode } from '../../base/index.ts'
import type { Command, Context } from '../command.ts'
import { CONFIG_FILE } from '../data-files.ts'
import { flagsOf } from '../flags.ts'
import { textOption } from '../options.ts'
import { clean } from '../output.ts'
import type { CheckedConfig } from '../rooms.ts'

const FILE_OPTION = {
  flags: '--config <file>',
  help: 'read this file instead of config.toml in the data folder',
}

export const configShow: Command = {
  name: 'config show',
  summary: 'Print the configuration in effect: of the running node, else what a start would use',
  options: [FILE_OPTION],
  examples: ['config show', 'config show > config.toml'],
  timeoutMs: 10_000,
  groupDefault: true,

  async run(context) {
    const { options, out } = context
    const running = options.config === undefined ? await ofRunningNode(context) : undefined
    const toml = running ?? (await load(context)).toml
    out.print({ running: running !== undefined, toml }, () => [clean(toml).trimEnd()])
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
