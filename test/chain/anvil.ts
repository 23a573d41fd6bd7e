/**
 * A real chain on this machine: Foundry's anvil, from this folder's own package, installed when it
 * is first needed. The platform's binary is started itself, so that ending it ends the chain.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FOLDER = dirname(fileURLToPath(import.meta.url))
const BINARY = join(FOLDER, 'node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil')
const INSTALL_MS = 300_000
const START_MS = 30_000
const TEXT_MAX = 16_384

/** The keys that anvil gives money to, public ever since: of its test mnemonic. */
export const KEYS = [
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
  '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
  '0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a',
  '0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6',
  '0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a',
] as const

/** Why the ring cannot run here; undefined once everything is there. */
export function missing(): string | undefined {
  const { platform, arch } = process
  if (platform !== 'linux' || arch !== 'x64') {
    return `its package.json names the binary of linux-x64, and this is ${platform}-${arch}`
  }
  if (existsSync(BINARY)) return undefined
  const words = ['install', '--ignore-scripts', '--no-audit', '--no-fund']
  const done = spawnSync('npm', words, { cwd: FOLDER, timeout: INSTALL_MS, encoding: 'utf8' })
  return done.status === 0 ? undefined : `npm install failed: ${done.stderr.slice(-500)}`
}

export interface Anvil extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Sends a JSON-RPC request of anvil's own, such as evm_increaseTime. */
  ask(method: string, params?: readonly unknown[]): Promise<unknown>
  /** Ends the process: nobody answers at the port any more. */
  stop(): Promise<void>
}

/** Starts a chain; its blocks come with its transactions. `state` is kept there between starts. */
export async function startAnvil(
  options: { readonly port?: number; readonly state?: string } = {},
): Promise<Anvil> {
  const { port = 0, state } = options
  const words = ['--host', '127.0.0.1', '--port', String(port)]
  if (state !== undefined) words.push('--state', state)
  const child = spawn(BINARY, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const end = () => void child.kill('SIGKILL')
  process.once('exit', end)
  const stop = async () => {
    process.off('exit', end)
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    // It writes its state on this signal.
    child.kill('SIGINT')
    await gone
  }
  const address = await listening(child)
  const url = `http://${address}`
  return {
    url,
    port: Number(address.split(':')[1]),
    stop,
    ask: (method, params = []) => ask(url, method, params),
    [Symbol.asyncDispose]: stop,
  }
}

async function listening({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error('anvil has no output')
  const found = Promise.withResolvers<string>()
  let text = ''
  // What it says of each block is read and dropped.
  stdout.setEncoding('utf8').on('data', (part: string) => {
    text = (text + part).slice(-TEXT_MAX)
    const address = /^Listening on (127\.0\.0\.1:\d+)$/m.exec(text)?.[1]
    if (address !== undefined) found.resolve(address)
  })
  const late = setTimeout(() => found.reject(new Error(`anvil does not start: ${text}`)), START_MS)
  try {
    return await found.promise
  } finally {
    clearTimeout(late)
  }
}

async function ask(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body })
  const { result, error } = (await response.json()) as { result?: unknown; error?: unknown }
  if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`)
  return result
}
