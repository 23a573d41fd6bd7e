#!/usr/bin/env node
/*
 * `p2p-node` as it is published: `bin/p2p-node` of a clone hands over to the Node that the clone
 * brings; here there is only the Node that started us, and it is new enough or is told what is.
 * Imported by another program it does nothing.
 */

import { realpathSync } from 'node:fs'

import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const NODE_MIN = [22, 19]
const EXIT_RESOURCE = 9
const EXIT_INTERNAL = 10
/** What is still open this long after the last word is a handle that somebody forgot. */
const DRAIN_MS = 300
/** When a command that is still running has done what it starts with. */
const SETTLE_MS = 5_000

const [major, minor] = process.versions.node.split('.').map(Number)
if (isMain()) {
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) await run()
  else refuse()
}

function isMain() {
  try {
    return realpathSync(process.argv[1] ?? '') === fileURLToPath(import.meta.url)
  } catch {
    return false
  }
}

async function run() {
  // Standard output is for lines of JSON alone; whoever started us reads the exit code.
  process.on('uncaughtException', (error) => {
    process.stderr.write(`error CONTROL_INTERNAL\n${error?.stack ?? error}\n`)
    process.exit(EXIT_INTERNAL)
  })
  muteSqlite()
  settle()
  const { main } = await import('../lib/control/stdio.js')
  process.exitCode = await main()
  process.stdin.destroy()
  drain()
}

/** Node 22 calls its SQLite experimental, on standard error, which programs read as ours. */
function muteSqlite() {
  const emit = process.emitWarning.bind(process)
  process.emitWarning = (warning, ...rest) => {
    if (!String(warning).startsWith('SQLite is an experimental')) emit(warning, ...rest)
  }
}

/** Loading leaves some 20 MB behind that V8 would keep for as long as little happens. */
function settle() {
  setTimeout(() => {
    setFlagsFromString('--expose-gc')
    runInNewContext('gc')({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  }, SETTLE_MS).unref()
}

/** The event loop ends by itself; when it does not, what was printed still gets out first. */
function drain() {
  setTimeout(() => {
    if (process.stdout.writableLength + process.stderr.writableLength > 0) drain()
    else process.exit()
  }, DRAIN_MS).unref()
}

function refuse() {
  process.stderr.write(
    `Cannot run on Node ${process.versions.node}: wanted ${NODE_MIN.join('.')} or later. ` +
      'Install one from https://nodejs.org\n',
  )
  process.exit(EXIT_RESOURCE)
}
