/** The process as the command line sees it: the one file that touches it, and all in one place. */

import { delimiter, dirname, isAbsolute, relative } from 'node:path'
import { type Clock, packageVersion, systemClock, takeEnvironment } from '../base/index.ts'
import { EXIT } from './exit-codes.ts'
import type { Sink } from './output.ts'
import { realRooms } from './real-rooms.ts'
import type { Rooms } from './rooms.ts'

export type SignalName = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

/** Everything that a command line can see and do outside itself; tests hand in their own. */
export interface World {
  /** The words after `p2p`. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly version: string
  /** What a person types in this folder to run us again. */
  readonly program: string
  /** Called only where it is read: a look at it alone makes a handle. */
  stdin(): AsyncIterable<Uint8Array>
  readonly stdout: Sink
  readonly stderr: Sink
  /** Aborts when whoever read standard output has stopped. */
  readonly readerGone: AbortSignal
  readonly clock: Clock
  readonly rooms: Rooms
  /** Calls `listen` at every signal; the function returned stops that. */
  onSignal(listen: (name: SignalName) => void): () => void
  /** Ends the process without waiting for anything. */
  exit(code: number): void
}

export function processWorld(): World {
  const [, script = 'p2p', ...argv] = process.argv
  const cwd = workingFolder()
  const reader = new AbortController()
  process.stdout.on('error', (error) => onWriteFailure(error, () => reader.abort()))
  process.stderr.on('error', (error) => onWriteFailure(error, () => undefined))
  return {
    argv,
    env: takeEnvironment(process.env),
    cwd,
    version: packageVersion(),
    program: typedAs(script, cwd, process.env.PATH ?? ''),
    stdin: () => process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    readerGone: reader.signal,
    clock: systemClock,
    rooms: realRooms,
    onSignal(listen) {
      const names: readonly SignalName[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
      for (const name of names) process.on(name, listen)
      return () => {
        for (const name of names) process.off(name, listen)
      }
    },
    exit: (code) => process.exit(code),
  }
}

/** Of a folder that was removed, where it was: whatever is looked for in it is not there. */
function workingFolder(): string {
  try {
    return process.cwd()
  } catch {
    return process.env.PWD ?? '/'
  }
}

/** The shortest words that run `script`: its name where `PATH` finds it, else a path to it. */
export function typedAs(script: string, cwd: string, path: string): string {
  const name = script.slice(dirname(script).length).replace(/^[/\\]/, '')
  if (path.split(delimiter).includes(dirname(script))) return name
  const near = relative(cwd, script)
  if (near.startsWith('..') || isAbsolute(near)) return script
  return near === name ? `./${name}` : near
}

/** What systems say when the other end of a pipe is closed, then and at each later write. */
const GONE: readonly string[] = ['EPIPE', 'EOF', 'ERR_STREAM_DESTROYED']

/** Whoever reads our output may stop reading, as `head` does; that is no error of ours. */
function onWriteFailure(error: NodeJS.ErrnoException, gone: () => void): void {
  if (GONE.includes(error.code ?? '')) {
    gone()
    return
  }
  process.stderr.write(`Cannot write the output: ${error.message}\n`)
  process.exit(EXIT.resource)
}
