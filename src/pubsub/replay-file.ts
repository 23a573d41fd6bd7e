/**
 * What the replay guard must know after a restart: the newest number of each author, and our own.
 *
 *   replay.json   {"version": 1, "clean": true, "own": "17…", "newest": [[author, "17…"], …]}
 *
 * Numbers are text, as JSON has no 64 bits. `clean` is written when the node stops; while it runs
 * the file says false, so that a run which was cut off is known by its file: then nothing is taken
 * that was made before the new start. The same holds after a run that forgot authors: GossipSub's
 * cache, which knew their messages, ends with it. The file is written whole to a draft and renamed;
 * one that cannot be read is set aside as `replay.json.broken` and counts as cut off.
 */

import { constants } from 'node:fs'
import { rename } from 'node:fs/promises'
import { type Clock, type Logger, type Random, readBounded, writeWhole } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { isJsonObject, type Json, parseJson, WireError } from '../wire/index.ts'
import { REPLAY_AUTHORS_MAX } from './config.ts'
import { reasonOf } from './errors.ts'
import type { ReplayGuard } from './replay-guard.ts'
import type { Sequence } from './sequence.ts'

const FILE_BYTES_MAX = 1_024 * 1_024
const VERSION = 1
/** No symbolic link in place of the file, and no waiting for the writer of a pipe. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
/** A number of 64 bits, in digits. */
const NUMBER = /^(0|[1-9][0-9]{0,19})$/

export interface ReplayFileDeps {
  readonly file: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** What the file says. */
export interface ReplayState {
  readonly clean: boolean
  readonly own: bigint
  readonly newest: readonly (readonly [PeerId, bigint])[]
}

export class ReplayFile {
  readonly #deps: ReplayFileDeps
  #written = ''

  constructor(deps: ReplayFileDeps) {
    this.#deps = deps
  }

  /** Reads what is there into guard and numbers, and says in the file that a run has begun. */
  async load(guard: ReplayGuard, sequence: Sequence): Promise<void> {
    const found = await this.#read()
    if (found !== undefined) {
      sequence.continueFrom(found.own)
      guard.restore(found.newest, found.clean ? 0 : this.#deps.clock.now())
    }
    await this.save(guard, sequence, false)
  }

  /** Writes what has changed since the last time; a disk that refuses costs a warning. */
  async save(guard: ReplayGuard, sequence: Sequence, clean: boolean): Promise<void> {
    const { file, random, log } = this.#deps
    const newest = guard.floors().slice(-REPLAY_AUTHORS_MAX)
    const text = formatReplay({ clean: clean && guard.isWhole, own: sequence.last, newest })
    if (text === this.#written) return
    try {
      await writeWhole(file, text, { random })
      this.#written = text
    } catch (error) {
      log.warn('numbers of messages not written', { file, reason: reasonOf(error) })
    }
  }

  /** What an earlier run left; `undefined` when there was none. */
  async #read(): Promise<ReplayState | undefined> {
    const { file, log } = this.#deps
    const broken: ReplayState = { clean: false, own: 0n, newest: [] }
    let text: string | undefined
    try {
      text = await readBounded(file, { bytesMax: FILE_BYTES_MAX, flags: READ_FLAGS })
    } catch (error) {
      log.warn('numbers of messages not read', { file, error })
      return broken
    }
    if (text === undefined) return undefined
    try {
      return parseReplay(text)
    } catch (error) {
      const aside = `${file}.broken`
      await rename(file, aside).catch(() => undefined)
      log.warn('numbers of messages broken and set aside', { file, aside, error })
      return broken
    }
  }
}

/** The text of the file. */
export function formatReplay({ clean, own, newest }: ReplayState): string {
  const lines = newest.map(([author, sequence]) => [author, String(sequence)])
  return `${JSON.stringify({ version: VERSION, clean, own: String(own), newest: lines })}\n`
}

/** Reads the text of the file; whatever is not as we write it is refused with a code. */
export function parseReplay(text: string): ReplayState {
  const whole = parseJson(text, 'replay file', { bytesMax: FILE_BYTES_MAX })
  const { version, clean, own, newest } = isJsonObject(whole) ? whole : {}
  if (version !== VERSION || typeof clean !== 'boolean' || !Array.isArray(newest)) {
    throw malformed(`something else than version ${VERSION} with a list of authors`)
  }
  return { clean, own: numberIn(own), newest: newest.slice(0, REPLAY_AUTHORS_MAX).map(entryIn) }
}

function entryIn(entry: Json): readonly [PeerId, bigint] {
  const [author, sequence, ...more] = Array.isArray(entry) ? (entry as readonly Json[]) : []
  if (typeof author !== 'string' || more.length > 0) throw malformed('an entry without an author')
  return [peerId(author), numberIn(sequence)]
}

function numberIn(value: Json | undefined): bigint {
  if (typeof value === 'string' && NUMBER.test(value)) {
    const number = BigInt(value)
    if (number < 2n ** 64n) return number
  }
  throw malformed('a number that is none of 64 bits')
}

function malformed(found: string) {
  return WireError.MALFORMED({ field: 'replay file', found })
}
