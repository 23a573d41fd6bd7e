/**
 * `npm run explorer`: the network in the terminal, through a node that runs on this machine: that
 * of the usual data folder, else an agent's (`npm run node:agent1`), else one that this starts and
 * ends with itself. Words after `--` go to `p2p explorer`; `--data` or P2P_DATA says which node.
 */

import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dataDirFrom } from '../src/base/index.ts'

const BIN = fileURLToPath(new URL('../bin/p2p', import.meta.url))
const NAME = 'explorer'
const words = process.argv.slice(2).filter((word) => word !== '--')
const isSaid = Boolean(process.env.P2P_DATA) || words.some((word) => /^--data(=|$)/.test(word))
const usual = dataDirFrom(undefined, process.env)

if (isSaid) process.exitCode = await explore([])
else {
  const folder = [usual, ...agentFolders()].find(isRunning)
  process.exitCode = folder === undefined ? await onOwnNode() : await explore(['--data', folder])
}

/** Folders of agents, the one that was started last first. */
function agentFolders() {
  const agents = join(usual, 'agents')
  const names = existsSync(agents) ? readdirSync(agents) : []
  const startedMs = (folder) => statSync(join(folder, 'node.json')).mtimeMs
  return names
    .map((name) => join(agents, name))
    .filter((folder) => existsSync(join(folder, 'node.json')))
    .sort((a, b) => startedMs(b) - startedMs(a))
}

function isRunning(folder) {
  try {
    const { pid } = JSON.parse(readFileSync(join(folder, 'node.json'), 'utf8'))
    return process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
}

async function onOwnNode() {
  console.error('No node runs on this machine: starting one, which ends with the explorer')
  const { P2PNode } = await import('../src/control/launcher.ts')
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => /^P2P_/.test(key)))
  await using node = new P2PNode(NAME, 0, '', { env })
  await node.start()
  await node.connect()
  return await explore(['--data', node.dataDir])
}

/** Ctrl-C goes to the command as well, which ends by it. */
async function explore(where) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  const child = spawn(process.execPath, [BIN, 'explorer', ...where, ...words], {
    stdio: 'inherit',
  })
  const { promise, resolve } = Promise.withResolvers()
  child.on('exit', (code) => resolve(code ?? 0))
  return promise
}
