/** buf, installed when it is first needed, and what Debian has: nothing else wants them. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FOLDER = dirname(fileURLToPath(import.meta.url))
const ROOT = join(FOLDER, '..', '..', '..')
const INSTALL_MS = 300_000
const PYTHON_REMEDY =
  'apt-get install python3-grpcio protobuf-compiler protobuf-compiler-grpc libprotobuf-dev'

export const BUF = join(FOLDER, 'node_modules', '@bufbuild', 'buf-linux-x64', 'bin', 'buf')

/** Why buf cannot run here; undefined once it is there. */
export function bufMissing(): string | undefined {
  const { platform, arch } = process
  if (platform !== 'linux' || arch !== 'x64') {
    return `its package.json names the binary of linux-x64, and this is ${platform}-${arch}`
  }
  if (existsSync(BUF)) return undefined
  const words = ['install', '--ignore-scripts', '--no-audit', '--no-fund']
  const done = spawnSync('npm', words, { cwd: FOLDER, timeout: INSTALL_MS, encoding: 'utf8' })
  return done.status === 0 ? undefined : `npm install failed: ${done.stderr.slice(-500)}`
}

/** Code that protoc makes of our files, for Python; or why there is none. */
export function pythonStubs(): (Disposable & { readonly folder: string }) | string {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-grpc-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const plugin = spawnSync('which', ['grpc_python_plugin'], { encoding: 'utf8' }).stdout.trim()
  const words = [
    `--proto_path=${join(ROOT, 'src', 'control')}`,
    '--proto_path=/usr/include',
    `--plugin=protoc-gen-grpc=${plugin}`,
    `--python_out=${folder}`,
    `--grpc_out=${folder}`,
    'p2p.proto',
    'node.proto',
  ]
  const made = spawnSync('protoc', words, { encoding: 'utf8' })
  const asked = spawnSync('/usr/bin/python3', ['-c', 'import grpc'], { encoding: 'utf8' })
  if (made.status === 0 && asked.status === 0) return { folder, [Symbol.dispose]: remove }
  remove()
  return `${PYTHON_REMEDY}: ${made.error === undefined ? made.stderr : String(made.error)} ${asked.stderr}`
}
