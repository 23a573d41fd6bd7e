/** The packages of this folder, installed when they are first needed: nothing else wants them. */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const FOLDER = dirname(fileURLToPath(import.meta.url))
const PACKAGES = ['onnxruntime-node', 'node-llama-cpp', '@copilotkit/aimock']
const INSTALL_MS = 600_000

/** Why the ring cannot run here; undefined once everything is there. */
export function missing(): string | undefined {
  const { platform, arch } = process
  if (platform !== 'linux' || arch !== 'x64') {
    return `its package.json names the binaries of linux-x64, and this is ${platform}-${arch}`
  }
  if (PACKAGES.every((name) => existsSync(join(FOLDER, 'node_modules', name)))) return undefined
  const words = ['install', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund']
  // Without this the runtime would fetch binaries of its own, had it a script to do so.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' }
  const done = spawnSync('npm', words, { cwd: FOLDER, env, timeout: INSTALL_MS, encoding: 'utf8' })
  return done.status === 0 ? undefined : `npm install failed: ${done.stderr.slice(-500)}`
}
