/**
 * Installs what is missing, and does nothing, quickly, when nothing is.
 *
 * `npm start` and `npm test` begin with it, so that they work in a fresh clone under any Node since
 * 20. The mark holds a hash of the lockfile and of the platform that was installed for. It is
 * `npm install` and not `npm ci`, because some registries serve this platform's binaries only.
 */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const modules = join(root, 'node_modules')
const mark = join(modules, '.p2p-installed')
const lock = join(modules, '.p2p-installing')
const LOOK_EVERY_MS = 500
const WAIT_MS = 600_000

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
  process.stderr.write('Installing what is missing (npm install)…\n')
  const npm = process.env.npm_execpath
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error']
  const options = { cwd: root, stdio: ['ignore', 2, 2] }
  const { status, error } =
    npm === undefined || !npm.includes('npm-cli')
      ? spawnSync('npm', args, { ...options, shell: process.platform === 'win32' })
      : spawnSync(process.execPath, [npm, ...args], options)
  if (error !== undefined) throw new Error(`npm cannot be started: ${error.message}`)
  if (status !== 0) throw new Error('npm failed; its own words are above')
  writeFileSync(mark, wanted())
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
