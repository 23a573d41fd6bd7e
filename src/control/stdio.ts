/**
 * `p2p-node`: a node as a process that any language can drive, with lines of JSON on its standard
 * input and output. This file is where the process is touched; importing it does nothing.
 */

import { Console } from 'node:console'
import { once } from 'node:events'
import { type Clock, packageVersion, race, systemClock, takeEnvironment } from '../base/index.ts'
import type { Environment } from '../node/index.ts'
import { LinesAhead } from './stdio-ahead.ts'
import { codedFor, errorEvent } from './stdio-classes.ts'
import { readEnvFile } from './stdio-env-file.ts'
import { type Line, LineSplitter } from './stdio-lines.ts'
import type { RunningNode, StartWith } from './stdio-node.ts'
import {
  agentEnvironment,
  environmentWith,
  flagsFor,
  HELP,
  readOptions,
  readQuestion,
  type StdioOptions,
} from './stdio-options.ts'
import { type LineSink, StdioOutlet } from './stdio-outlet.ts'
import { LINE_BYTES_MAX, StdioSession } from './stdio-session.ts'

const EXIT = { done: 0, usage: 2, late: 10 } as const
/** A node that leaves tells its peers; what is still busy after that is left behind. */
const STOP_MS = 5_000
const OPERATION_MS = 60_000

/** The process as this program sees it; tests hand in their own. */
export interface StdioWorld {
  /** The words after `p2p-node`. */
  readonly argv: readonly string[]
  readonly env: Environment
  readonly stdin: AsyncIterable<Uint8Array>
  readonly stdout: LineSink
  /** To a person, on standard error. */
  say(text: string): void
  readonly clock: Clock
  /** Aborts at a signal, and when whoever reads standard output is gone. */
  readonly ended: AbortSignal
  startNode(options: NodeStart): Promise<RunningNode>
}

/** One node to be started. */
export interface NodeStart extends StartWith {
  readonly name: string | undefined
  readonly env: Environment
}

/** Runs until it is told to end, and resolves with the exit code. */
export async function main(world: StdioWorld = processWorld()): Promise<number> {
  const question = readQuestion(world.argv)
  if (question !== undefined) {
    world.say(question === 'help' ? HELP : `${packageVersion()}\n`)
    return EXIT.done
  }
  const outlet = new StdioOutlet(world.stdout)
  let options: StdioOptions
  let env: Environment
  try {
    options = readOptions(world.argv)
    const { envFile, name } = options
    const { text, warning } = envFile === undefined ? {} : await readEnvFile(envFile)
    if (warning !== undefined) {
      outlet.tell({ type: 'log', level: 'warn', namespace: 'node', message: warning })
    }
    env = agentEnvironment(environmentWith(text, world.env), name)
  } catch (error) {
    await outlet.answer(errorEvent(codedFor('start', error)))
    return EXIT.usage
  }
  const { name, port } = options
  const session = new StdioSession({
    outlet,
    clock: world.clock,
    port,
    start: (start) => world.startNode({ ...start, name, env }),
  })
  await Promise.race([session.over, read(world, session), aborted(world.ended)])
  using deadline = world.clock.deadline(STOP_MS)
  try {
    await race(session.stop(), deadline.signal)
    return EXIT.done
  } catch (error) {
    outlet.tell(errorEvent(codedFor('shutdown', error)))
    return EXIT.late
  }
}

/**
 * Resolves at the end of standard input, when all before it is begun; a stream that breaks ends as
 * well. Reads some lines ahead, so that commands in work do not hide the end.
 */
async function read(world: StdioWorld, session: StdioSession): Promise<void> {
  const lines = new LineSplitter(LINE_BYTES_MAX)
  const ahead = new LinesAhead()
  const taking = takeAll(ahead, session, world.ended)
  const push = async (line: Line) => {
    if (session.isLast(line)) session.hurry()
    await ahead.push(line)
  }
  try {
    for await (const piece of world.stdin) {
      for (const line of lines.push(piece)) await push(line)
    }
    for (const line of lines.end()) await push(line)
  } catch {
    // Nothing more can be asked.
  }
  session.hurry()
  ahead.end()
  await taking
}

async function takeAll(
  ahead: LinesAhead,
  session: StdioSession,
  ended: AbortSignal,
): Promise<void> {
  for await (const line of ahead) {
    await session.take(line)
    if (ended.aborted) return
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

/** The real one: standard output is for our lines alone, whatever a library prints. */
function processWorld(): StdioWorld {
  const { stdin, stdout, stderr } = process
  const write = stdout.write.bind(stdout)
  stdout.write = stderr.write.bind(stderr)
  globalThis.console = new Console(stderr)
  const env = takeEnvironment(process.env)
  const ended = new AbortController()
  const end = () => ended.abort()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, end)
  let isRead = true
  stdout.on('error', () => {
    isRead = false
    end()
  })
  stderr.on('error', () => undefined)
  return {
    argv: process.argv.slice(2),
    env,
    stdin,
    stdout: {
      get isFull() {
        return stdout.writableNeedDrain
      },
      write: (line, written) => {
        if (isRead) write(line, (error) => (error ? undefined : written?.()))
      },
      onDrain: (flush) => void stdout.on('drain', flush),
    },
    say: (text) => void stderr.write(text),
    clock: systemClock,
    ended: ended.signal,
    startNode,
  }
}

async function startNode(start: NodeStart): Promise<RunningNode> {
  const { port, name, bootstrapPeers, env, writeLog, stopAsked } = start
  const { startDaemon } = await import('./daemon.ts')
  const flags = flagsFor({ name, port }, bootstrapPeers, env)
  const daemon = await startDaemon({ flags, env, version: packageVersion(), writeLog, stopAsked })
  const { node, api, grpc, dataDir, notices } = daemon
  const { registry } = node
  const stop = () => daemon.stop()
  return { node, api, grpc, dataDir, notices, registry, waitMs: OPERATION_MS, stop }
}
