/**
 * Changes of the configuration of a running node that can be taken back: what each key said before
 * is kept, newest last, in memory and bounded.
 */

import type { NodeConfig } from '../config.ts'
import type { Changes, Reconfigured } from '../reconfigure.ts'
import { isTable } from '../settings.ts'
import { keyCovering, toToml } from '../toml-map.ts'
import { ToolsError } from '../tools-errors.ts'
import { valueAt } from '../value-at.ts'

const HISTORY_MAX = 32

/** What the changes need of the node. */
export interface ConfigurationDeps {
  /** What the rooms hold: read, never written here. */
  readonly config: NodeConfig
  /** Checks all changes and applies them, or throws and applies none. */
  readonly reconfigure: (changes: Changes) => Reconfigured
  /** Writes one key to the file; `undefined` takes it out. Resolves with what stood there. */
  readonly persist: (key: string, text: string | undefined) => Promise<Persisted>
}

export interface Persisted {
  readonly file: string
  readonly previous: unknown
}

export interface Changed extends Reconfigured {
  /** What each key said before. */
  readonly previous: Changes
  /** The file that the changes are kept in; null when they end with this run. */
  readonly file: string | null
}

interface Step {
  readonly previous: Changes
  /** What the file said; absent where the change was not kept there. */
  readonly inFile?: Changes
}

export class Configuration {
  readonly #deps: ConfigurationDeps
  readonly #history: Step[] = []
  /** Changes one after the other: a revert must find what it takes back. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(deps: ConfigurationDeps) {
    this.#deps = deps
  }

  /** How many changes can be taken back. */
  get revertible(): number {
    return this.#history.length
  }

  change(changes: Changes, { persist }: { readonly persist: boolean }): Promise<Changed> {
    return this.#inTurn(() => this.#change(changes, persist))
  }

  /**
   * Takes back the last change, in the file too where it was kept there; `check` is told of what
   * keys it was, and throws where they are not to be touched.
   */
  revert(check: (keys: readonly string[]) => void = () => undefined): Promise<Changed> {
    return this.#inTurn(async () => {
      const step = this.#history.at(-1)
      if (step === undefined) throw ToolsError.NOTHING_TO_REVERT({})
      const { previous, inFile } = step
      check(Object.keys(previous))
      const current = this.#valuesOf(Object.keys(previous))
      const done = this.#deps.reconfigure(previous)
      const kept = inFile === undefined ? null : await this.#write(inFile)
      this.#history.pop()
      return { ...done, previous: current, file: kept?.file ?? null }
    })
  }

  async #change(changes: Changes, persist: boolean): Promise<Changed> {
    const keys = Object.keys(changes)
    const previous = this.#valuesOf(keys)
    if (persist) for (const key of keys) checkWritable(key, changes[key])
    const done = this.#deps.reconfigure(changes)
    let kept: { file: string; before: Changes } | null = null
    try {
      kept = persist ? await this.#write(changes) : null
    } catch (error) {
      this.#deps.reconfigure(previous)
      throw error
    }
    this.#history.push({ previous, ...(kept !== null && { inFile: kept.before }) })
    if (this.#history.length > HISTORY_MAX) this.#history.shift()
    return { ...done, previous, file: kept?.file ?? null }
  }

  /** All keys or none: what was written before one that fails is taken back. */
  async #write(values: Changes): Promise<{ file: string; before: Changes }> {
    const before: Record<string, unknown> = {}
    let file = ''
    try {
      for (const [key, value] of Object.entries(values)) {
        const done = await this.#deps.persist(key, textOf(value))
        before[key] = done.previous
        file = done.file
      }
    } catch (error) {
      for (const [key, value] of Object.entries(before)) {
        await this.#deps.persist(key, textOf(value))
      }
      throw error
    }
    return { file, before }
  }

  #valuesOf(keys: readonly string[]): Changes {
    const { config } = this.#deps
    return Object.fromEntries(
      keys.map((toml) => {
        const key = keyCovering(toml)
        // One that does not exist is refused by the node, in its own words.
        if (key === undefined) return [toml, null]
        const value = valueAt(config, key.code)
        if (key.toml === toml) return [toml, value === undefined ? null : toToml(key, value)]
        const entry = toml.slice(key.toml.length + 1)
        const has = isTable(value) && Object.hasOwn(value, entry)
        return [toml, has ? (value[entry] ?? null) : null]
      }),
    )
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => undefined)
    return done
  }
}

/** The file is edited as a person types it, so a value must have a form that can be typed. */
function checkWritable(key: string, value: unknown): void {
  const texts = Array.isArray(value) ? (value as readonly unknown[]) : []
  const reason = isTable(value)
    ? 'it is a table; name its entries one by one'
    : texts.some((text) => typeof text !== 'string' || text.includes(','))
      ? 'one of its texts has a comma'
      : undefined
  if (reason !== undefined) throw ToolsError.NOT_PERSISTED({ key, reason })
}

function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined
  if (Array.isArray(value)) return value.join(',')
  return typeof value === 'string' ? value : JSON.stringify(value)
}
