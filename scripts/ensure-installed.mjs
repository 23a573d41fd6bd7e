/**
 * Installs what is missing, and does nothing, quickly, when nothing is.
 *
 * `npm start` and `npm test` begin with it, so that they work in a fresh clone under any Node since
 * 20. The mark holds a hash of the lockfile and of the platform that was installed for. It is
 * `npm install` and not `npm ci`, because some registries serve this platform's binaries only.
 * What pnpm has installed is pnpm's: npm can put nothing into its folder.
 */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const modules = join(root, 'node_modules')
const mark = join(modules, '.p2p-installed')
const lock = join(modules, '.p2p-installing')
const LOOK_EVERY_MS = 500
const WAIT_MS = 600_000
const OWN = { npm: /npm-cli/, pnpm: /[/\\]pnpm(?:\.[^/\\]+)?$/ }

try {
  if (installed() !== wanted()) await installOnce()
} catch (error) {
  process.stderr.write(`Cannot install: ${error.message}\n`)
  process.exitCode = 1
}

/** One install at a time: npm does not stand two in one folder. */
async function installOnce() {
  mkdirSync(modules, { recursive: true })
  for (let waited = 0; !take(); waited += LOOK_EVERY_MS) {
    if (waited >= WAIT_MS) throw new Error(`another one holds ${lock}; if there is none, remove it`)
    await sleep(LOOK_EVERY_MS)
  }
  try {
    if (installed() !== wanted()) install()
  } finally {
    rmSync(lock, { force: true })
  }
}

function install() {
  const name = isPnpms() ? 'pnpm' : 'npm'
  process.stderr.write(`Installing what is missing (${name} install)…\n`)
  const own = name === 'pnpm' ? [] : ['--no-audit', '--no-fund']
  const { status, error } = run(name, ['install', ...own, '--loglevel=error'])
  if (error !== undefined) throw new Error(`${name} cannot be started: ${error.message}`)
  if (status !== 0) throw new Error(`${name} failed; its own words are above`)
  writeFileSync(mark, wanted())
}

/** Whether `node_modules` is pnpm's, or is to be. */
function isPnpms() {
  if (existsSync(join(modules, '.modules.yaml'))) return true
  const isNpms = existsSync(join(modules, '.package-lock.json'))
  return !isNpms && (process.env.npm_config_user_agent ?? '').startsWith('pnpm/')
}

/** The one that runs this script where it is the right one, else the one on the path. */
function run(name, args) {
  const own = process.env.npm_execpath ?? ''
  const options = { cwd: root, stdio: ['ignore', 2, 2] }
  if (!OWN[name].test(own)) {
    return spawnSync(name, args, { ...options, shell: process.platform === 'win32' })
  }
  return /\.[cm]?js$/.test(own)
    ? spawnSync(process.execPath, [own, ...args], options)
    : spawnSync(own, args, options)
}

function wanted() {
  const hash = createHash('sha256')
  for (const file of ['package.json', 'package-lock.json']) hash.update(read(join(root, file)))
  return `${hash.digest('hex')} ${process.platform} ${process.arch}\n`
}

function installed() {
  return read(mark)
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Whether the lock is ours now; that of a process which is gone is taken away. */
function take() {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    const holder = Number(read(lock) || Number.NaN)
    if (holder > 0 && !lives(holder)) rmSync(lock, { force: true })
    return false
  }
}

function lives(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
