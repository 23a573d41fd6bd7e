/**
 * Tools from a folder (`[mcp] tools_folder`): each file is a module whose default export is a list
 * of tools, or a function that makes one; offered as a service with the name of the file.
 *
 *   export default ({ tool, z }) => [tool('dice', {}, () => 1 + Math.floor(6 * Math.random()))]
 *   export const options = { allow: ['12D3KooW…'], tags: ['games'] }
 *
 * What it loads runs with all rights of the node, so nobody else may be able to write there. A file
 * that is broken is said and left out: the node and its other tools go on.
 */

import { readdir, stat } from 'node:fs/promises'
import { extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Clock, CodedError, Emitter, type Logger, race, type Service } from '../base/index.ts'
import { type Services, type Tool, tool, z } from '../mcp/index.ts'
import type { ResolvedConfig } from './load-config.ts'
import { type OfferOptions, offer } from './offer.ts'
import { PlugInError } from './plug-in-errors.ts'

/** What a plug-in that is a function is given. */
export interface PlugInContext {
  readonly tool: typeof tool
  readonly z: typeof z
  readonly log: Logger
  /** Aborts when the node stops. */
  readonly signal: AbortSignal
}

/** What a file in the folder exports by default. */
export type PlugIn =
  | readonly Tool[]
  | ((context: PlugInContext) => readonly Tool[] | Promise<readonly Tool[]>)

type Make = Extract<PlugIn, (context: PlugInContext) => unknown>

export interface PlugInsDeps {
  /** Absolute. */
  readonly folder: string
  /** Of the user whose node it is; undefined where the system knows none. */
  readonly uid: number | undefined
  readonly services: Pick<Services, 'expose' | 'exposeTools' | 'unexpose' | 'events'>
  readonly clock: Clock
  readonly log: Logger
}

export interface PlugInLimits {
  /** How long one file may take. */
  readonly startTimeoutMs: number
}

export interface PlugInEvents {
  /** What a person should know of a file that was left out. */
  notice: string
}

const MODULE = /^\.m?[jt]s$/
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/
const WRITABLE_BY_OTHERS = 0o022
const ROOT = 0

export class PlugIns implements Service {
  readonly name = 'plug-ins'
  readonly events: Emitter<PlugInEvents>
  readonly #deps: PlugInsDeps
  readonly #limits: PlugInLimits
  readonly #life = new AbortController()

  constructor(deps: PlugInsDeps, limits: PlugInLimits) {
    this.#deps = deps
    this.#limits = limits
    this.events = new Emitter((error) => deps.log.error('listener failed', { error }))
  }

  /** Throws where there is no such folder, or others may write in it. */
  async start(): Promise<void> {
    const { folder, log } = this.#deps
    for (const file of await filesIn(this.#deps)) {
      try {
        await this.#load(join(folder, file), file.slice(0, -extname(file).length))
      } catch (error) {
        log.error('plug-in not loaded', { file, error })
        this.events.emit('notice', saidOf(join(folder, file), error))
      }
    }
  }

  /** The services go with all others of this node. */
  async stop(): Promise<void> {
    this.#life.abort()
  }

  async #load(file: string, name: string): Promise<void> {
    const { clock, services, log } = this.#deps
    if (!NAME.test(name)) throw PlugInError.PLUG_IN_NAME({ file })
    await checkOurs(file, this.#deps.uid)
    using deadline = clock.deadline(this.#limits.startTimeoutMs, this.#life.signal)
    const { tools, options } = await race(this.#read(file), deadline.signal)
    // Withdrawn with all other services when the node stops.
    await offer(services, name, { ...options, what: tools })
    log.info('plug-in loaded', { file, service: name, tools: tools.length })
  }

  async #read(file: string): Promise<{ tools: readonly Tool[]; options: OfferOptions }> {
    const { log } = this.#deps
    const module: unknown = await import(pathToFileURL(file).href)
    const { default: given, options = {} } = Object(module) as {
      default?: unknown
      options?: OfferOptions
    }
    const context = { tool, z, log: log.child('plug-in'), signal: this.#life.signal }
    const made: unknown = typeof given === 'function' ? await (given as Make)(context) : given
    if (Array.isArray(made) && made.length > 0 && made.every(isTool)) {
      return { tools: made, options: Object(options) as OfferOptions }
    }
    const isList = Array.isArray(made)
    const list = isList && made.length > 0 ? 'a list with something else in it' : 'an empty list'
    throw PlugInError.PLUG_IN_INVALID({ file, found: isList ? list : typeof made })
  }
}

/** Null where no folder is named; a relative one lies in the data folder. */
export function plugInsOf(
  { dataDir, mcp }: Pick<ResolvedConfig, 'dataDir' | 'mcp'>,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
  services: PlugInsDeps['services'],
): PlugIns | null {
  if (mcp.toolsFolder === '') return null
  const folder = resolve(dataDir, mcp.toolsFolder)
  const deps = { folder, uid: process.getuid?.(), services, clock, log: log.child('mcp') }
  return new PlugIns(deps, { startTimeoutMs: mcp.serviceStartTimeoutMs })
}

/** Those that may be modules, by name; hidden ones, helpers (`_name`) and folders are left out. */
async function filesIn({ folder, uid }: PlugInsDeps): Promise<readonly string[]> {
  try {
    await checkOurs(folder, uid)
    const found = await readdir(folder, { withFileTypes: true })
    return found
      .filter((entry) => !entry.isDirectory() && MODULE.test(extname(entry.name)))
      .map(({ name }) => name)
      .filter((name) => !/^[._]|\.(?:test|d)\.m?[jt]s$/.test(name))
      .sort()
  } catch (error) {
    if (error instanceof CodedError) throw error
    throw PlugInError.PLUG_IN_FOLDER({ folder, reason: reasonOf(error) }, error)
  }
}

/** Whoever owns a file may change it, whatever its mode; root may do anything anyway. */
async function checkOurs(file: string, own: number | undefined): Promise<void> {
  const { mode, uid } = await stat(file)
  if (own === undefined) return
  if (uid !== own && uid !== ROOT) throw PlugInError.PLUG_IN_FOREIGN({ file, uid })
  if ((mode & WRITABLE_BY_OTHERS) === 0) return
  throw PlugInError.PLUG_IN_EXPOSED({ file, mode: `0${(mode & 0o777).toString(8)}` })
}

/** A plug-in may have another copy of `tool()`, so its shape counts. */
function isTool(value: unknown): value is Tool {
  const { info, listed, run } = Object(value) as Partial<Record<keyof Tool, unknown>>
  return typeof run === 'function' && Object(info) === info && Object(listed) === listed
}

/** Which file it was is in every notice. */
function saidOf(file: string, error: unknown): string {
  const code = error instanceof CodedError ? (error as CodedError).code : ''
  const reason = reasonOf(error)
  if (code.startsWith('NODE_PLUG_IN_')) return reason
  return PlugInError.PLUG_IN_FAILED({ file, reason }).message
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error)
}
