#!/usr/bin/env node
/*
 * The command line as it is published: `bin/p2p` of a clone hands over to the Node that the clone
 * brings; here there is only the Node that started us, and it is new enough or is told what is.
 */

import module from 'node:module'
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
if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) await run()
else refuse()

async function run() {
  // Node's own exit code for this is 1, which is the word of a tool that failed.
  process.on('uncaughtException', (error) => {
    process.stderr.write(`error CLI_INTERNAL\n${error?.stack ?? error}\n`)
    process.exit(EXIT_INTERNAL)
  })
  muteSqlite()
  if (!process.argv.includes('start')) {
    // A command that ends at once starts faster; a node would keep the cache for as long as it runs.
    module.enableCompileCache?.(
      fileURLToPath(new URL('../node_modules/.cache/p2p', import.meta.url)),
    )
  }
  settle()
  const { main } = await import('../lib/cli/main.js')
  process.exitCode = await main()
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
