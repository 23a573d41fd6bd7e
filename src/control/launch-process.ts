/**
 * One run of `p2p-node`: lines in, lines out, and an end that is certain.
 *
 * The process gets the environment that it is handed and nothing of ours, so that no secret of the
 * program around it reaches it; its key stands in that environment, where only the same user of
 * the system can read it, and never among the arguments, which everybody can. What it writes on
 * standard error is kept for the error that tells why it ended, without the key and bounded.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Clock, race } from '../base/index.ts'
import { FrameSplitter, parseJson } from '../wire/index.ts'
import { type LaunchEvent, launchEvent } from './shapes/launch/api.ts'

/** Twice the largest result of a tool, as JSON; the process says nothing longer. */
const LINE_BYTES_MAX = 67_108_864
/** What may wait in the pipe to a process that does not read. */
const WAITING_BYTES_MAX = 16_777_216
const LAST_WORDS_MAX = 2_000
/** From asking to end until forcing it: a node that leaves tells its peers. */
const END_MS = 10_000
const KILL_MS = 2_000

/** What is run, and with what around it. */
export interface LaunchCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Starts a process; tests hand in one of their own. */
export type Spawn = (command: LaunchCommand) => ChildProcess

export interface LaunchProcessDeps {
  readonly clock: Clock
  readonly spawn: Spawn
  /** Hex digits that are cut from whatever is repeated of the process's words. */
  readonly secret: string
  readonly onevent: (event: LaunchEvent) => void
}

/** How a run ended, as a part of a sentence. */
export interface LaunchExit {
  readonly code: number | null
  readonly signal: string | null
  readonly how: string
}

export const systemSpawn: Spawn = ({ command, args, env }) => {
  return spawn(command, [...args], {
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
    shell: false,
    windowsHide: true,
  })
}

export class LaunchProcess {
  readonly #child: ChildProcess
  readonly #deps: LaunchProcessDeps
  readonly #lines = new FrameSplitter('line', LINE_BYTES_MAX)
  readonly #exited = Promise.withResolvers<LaunchExit>()
  #lastWords = ''
  #over = false

  constructor(command: LaunchCommand, deps: LaunchProcessDeps) {
    this.#deps = deps
    this.#child = deps.spawn(command)
    const { stdin, stdout, stderr } = this.#child
    // A broken pipe is told by the end of the process; unheard, it would stop the program.
    stdin?.on('error', () => undefined)
    stdout?.on('data', (bytes: Uint8Array) => this.#hear(bytes))
    stderr?.on('data', (bytes: Uint8Array) => this.#keep(bytes))
    this.#child.once('error', (error) => {
      if (this.#child.pid === undefined) this.#end(null, null, `it could not run, ${error.message}`)
    })
    // `close` comes after the last line was read, `exit` may come before.
    this.#child.once('close', (code: number | null, signal: string | null) => {
      const how = signal === null ? `it exited with code ${code ?? 0}` : `it was ended by ${signal}`
      this.#end(code, signal, how)
    })
  }

  /** Resolves when nothing of it is left, and every line that it wrote was read. */
  get exited(): Promise<LaunchExit> {
    return this.#exited.promise
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** The end of what it wrote on standard error, on one line. */
  get lastWords(): string {
    return this.#lastWords.replace(/[^\x20-\x7e]+/g, ' ').trim()
  }

  /** Hands on one command; false when the process is over or does not read what it was told. */
  write(command: object): boolean {
    const { stdin } = this.#child
    if (this.#over || stdin === null || !stdin.writable) return false
    const line = `${JSON.stringify(command)}\n`
    if (stdin.writableLength + line.length > WAITING_BYTES_MAX) return false
    stdin.write(line)
    return true
  }

  /** Ends it: asked to, then by signal, then by force. Resolves when it is gone. */
  async end(): Promise<LaunchExit> {
    this.write({ type: 'shutdown' })
    this.#child.stdin?.end()
    for (const [waitMs, signal] of [
      [END_MS, 'SIGTERM'],
      [KILL_MS, 'SIGKILL'],
    ] as const) {
      using deadline = this.#deps.clock.deadline(waitMs)
      const exit = await race(this.exited, deadline.signal).catch(() => undefined)
      if (exit !== undefined) return exit
      this.#child.kill(signal)
    }
    return this.exited
  }

  #hear(bytes: Uint8Array): void {
    if (this.#over) return
    try {
      for (const line of this.#lines.push(bytes)) {
        const event = eventOf(line)
        if (event !== undefined) this.#deps.onevent(event)
      }
    } catch {
      // Not a p2p-node, or one gone wrong: what follows cannot be told from what was cut.
      this.#child.kill('SIGKILL')
    }
  }

  #keep(bytes: Uint8Array): void {
    // Cut before it is shortened: half of a key would no longer be known.
    const text = this.#lastWords + Buffer.from(bytes).toString('utf8')
    const { secret } = this.#deps
    const clean = secret === '' ? text : text.replace(new RegExp(secret, 'gi'), '[redacted]')
    this.#lastWords = clean.slice(-LAST_WORDS_MAX)
  }

  #end(code: number | null, signal: string | null, how: string): void {
    this.#over = true
    this.#exited.resolve({ code, signal, how })
  }
}

/**
 * The command that runs `executable`, or the `p2p-node` of this package where none is named: a
 * script for Node is run by the Node that runs us, for the process may know no path to another.
 * Undefined where there is none.
 */
export function commandFor(executable: string | undefined): readonly string[] | undefined {
  const own = ['../../bin/p2p-node', '../../bin/p2p-node.js']
  const places = own.map((place) => fileURLToPath(new URL(place, import.meta.url)))
  const file = executable ?? places.find((place) => existsSync(place))
  if (file === undefined || !existsSync(file)) return undefined
  return isNodeScript(file) ? [process.execPath, file] : [file]
}

function isNodeScript(file: string): boolean {
  if (/\.[cm]?[jt]s$/.test(file)) return true
  const head = Buffer.alloc(64)
  const open = openSync(file, 'r')
  try {
    readSync(open, head, 0, head.length, 0)
  } finally {
    closeSync(open)
  }
  return /^#!.*\bnode\b/.test(head.toString('latin1'))
}

/** What peers said is in there, so that it is read as the words of strangers. */
function eventOf(line: Uint8Array): LaunchEvent | undefined {
  try {
    const text = Buffer.from(line).toString('utf8')
    return launchEvent.safeParse(parseJson(text, 'event', { bytesMax: LINE_BYTES_MAX })).data
  } catch {
    return undefined
  }
}
