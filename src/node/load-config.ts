/**
 * The configuration of a node from its three sources: file, then environment, then flags; what is
 * said later wins. This is the only file beside the command line that reads the environment.
 */

import { open } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { dataDirFrom, hasCode } from '../base/index.ts'
import { configFrom } from './check-settings.ts'
import { type NodeConfig, type NodeOptions, nodeConfig } from './config.ts'
import { NodeError } from './errors.ts'
import { overPreset } from './presets.ts'
import {
  type Environment,
  type Flags,
  type Setting,
  settingsOfEnvironment,
  settingsOfFile,
  settingsOfFlags,
} from './settings.ts'
import { wantedBy } from './wanted.ts'

/** The configuration inside the data folder, read when no other file is given. */
export const CONFIG_FILE = 'config.toml'
const FILE_BYTES_MAX = 1_048_576

/** A configuration that knows where its data is. */
export type ResolvedConfig = NodeConfig & { readonly dataDir: string }

export interface LoadedConfig {
  readonly config: ResolvedConfig
  /** The file that was read; undefined where there is none. */
  readonly file: string | undefined
  /** What a person should hear of, though it stops nothing. */
  readonly notices: readonly string[]
}

export async function loadConfig(
  flags: Flags = {},
  environment: Environment = process.env,
): Promise<LoadedConfig> {
  const file = configFileOf(flags, environment)
  const text = await readConfig(file, flags.config !== undefined)
  const { strange } = settingsOfEnvironment(environment)
  return {
    config: configOfText(text ?? '', file, { flags, environment }),
    file: text === undefined ? undefined : file,
    notices: strange.map((name) => `environment variable ${name} is no setting of ours: ignored`),
  }
}

/** Where the file is that a start with these flags reads. */
export function configFileOf(flags: Flags, environment: Environment): string {
  return resolve(flags.config ?? join(dataDirFrom(flags.data, environment), CONFIG_FILE))
}

/** What a start would use if `file` held this text; throws all that is wrong with it. */
export function configOfText(
  text: string,
  file: string,
  { flags, environment }: { readonly flags: Flags; readonly environment: Environment },
): ResolvedConfig {
  const home = resolve(dataDirFrom(flags.data, environment))
  const fromFile = settingsOfFile(text, file)
  if (flags.config === undefined) checkStays(fromFile, home)
  const { settings } = settingsOfEnvironment(environment)
  const below = [...implied(environment), ...dataSetting(fromFile, environment), ...settings]
  const config = configFrom([...below, ...settingsOfFlags(flags, below)])
  return { ...config, dataDir: resolve(config.dataDir ?? home) }
}

/** What a program gives to `createNode`, checked, with its preset and the data folder filled in. */
export function resolveOptions(
  options: NodeOptions = {},
  environment: Environment = process.env,
): ResolvedConfig {
  const parsed = nodeConfig.safeParse(Object(options) === options ? overPreset(options) : options)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => {
      const at = issue.path.length === 0 ? 'the options' : issue.path.join('.')
      const message = `Cannot use ${at}: wanted ${wantedBy(issue, 1)}`
      return { code: 'NODE_CONFIG_VALUE_INVALID', message }
    })
    throw NodeError.CONFIG_INVALID({ problems }, parsed.error)
  }
  const dataDir = resolve(dataDirFrom(parsed.data.dataDir, environment))
  return { ...parsed.data, dataDir }
}

/** Throws unless the node's key is that of the peer id that was configured. */
export function checkPeerId(config: NodeConfig, found: string, keyFile: string): void {
  if (config.peerId === 'auto' || config.peerId === found) return
  throw NodeError.PEER_ID_MISMATCH({ wanted: config.peerId, found, file: keyFile })
}

/** Who has given the key of an address wants the node to speak for it, unless the file says no. */
function implied({ PRIVATE_KEY }: Environment): readonly Setting[] {
  if (PRIVATE_KEY === undefined || PRIVATE_KEY === '') return []
  return [{ toml: 'agent.enabled', value: true, where: 'environment variable PRIVATE_KEY' }]
}

/** `P2P_DATA` stands between the file and the flags like any other variable. */
function dataSetting(fromFile: readonly Setting[], environment: Environment): readonly Setting[] {
  const { P2P_DATA } = environment
  if (P2P_DATA === undefined || P2P_DATA === '') return fromFile
  const where = 'environment variable P2P_DATA'
  return [...fromFile, { toml: 'network.data', value: P2P_DATA, where }]
}

/** What `env:NAME` or `file:PATH` stands for; undefined where the variable is not set. */
export async function secretFrom(
  reference: string,
  environment: Environment = process.env,
): Promise<string | undefined> {
  const [, kind, place = ''] = /^(env|file):(.+)$/s.exec(reference) ?? []
  if (kind === 'env') return environment[place]?.trim()
  if (kind !== 'file') return undefined
  try {
    return (await readConfig(resolve(place), true))?.trim()
  } catch (error) {
    if (!hasCode(error, 'NODE_CONFIG_UNREADABLE')) throw error
    const [where, wanted] = ['a secret that the configuration names', 'a file that can be read']
    const found = error.cause instanceof Error ? error.cause.message : 'one that is too large'
    throw NodeError.CONFIG_VALUE_INVALID({ where, key: reference, found, wanted }, error)
  }
}

/**
 * Takes the variables that the configuration names as places of secrets out of this process's own
 * environment: whatever writes that down, such as a report of a crash, does not know them. Whoever
 * calls it goes on with a copy from before.
 */
export function forgetSecrets({ agent, evm }: Pick<ResolvedConfig, 'agent' | 'evm'>): void {
  for (const reference of [agent.ethKey, evm.rpcUrl]) {
    const [, name] = /^env:(.+)$/s.exec(reference) ?? []
    if (name !== undefined) delete process.env[name]
  }
}

/** The file inside a data folder cannot send the node to another one. */
function checkStays(settings: readonly Setting[], home: string): void {
  const moved = settings.find(({ toml }) => toml === 'network.data')
  if (moved === undefined || resolve(String(moved.value)) === home) return
  throw NodeError.CONFIG_CONFLICT({
    where: moved.where,
    key: '[network] data',
    found: `this file lies in the data folder ${home} and names another`,
    remedy: 'Remove the key, or give the file from outside with --config',
  })
}

/** The text of the file; undefined where there is none and none is `wanted`. */
export async function readConfig(file: string, wanted: boolean): Promise<string | undefined> {
  try {
    await using handle = await open(file)
    const { size } = await handle.stat()
    if (size > FILE_BYTES_MAX) {
      const reason = `it has ${size} bytes, more than ${FILE_BYTES_MAX}`
      throw NodeError.CONFIG_UNREADABLE({ file, reason })
    }
    return await handle.readFile('utf8')
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) throw error
    // Where the data folder is none, whoever makes it says so.
    const isNone = error.code === 'ENOENT' || error.code === 'ENOTDIR'
    if (isNone && !wanted) return undefined
    throw NodeError.CONFIG_UNREADABLE({ file, reason: String(error.code) }, error)
  }
}
