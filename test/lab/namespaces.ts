/**
 * Network namespaces of one lab: unique names, processes inside, and nothing that stays behind.
 *
 * Names are `p2plab-<pid>-<count>-<name>`. Three things remove them: disposing of the lab; a
 * process beside us that waits for the end of its standard input, which comes with our own end,
 * however it comes; and the next lab, which knows a dead owner by its process id.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PREFIX = 'p2plab'
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const STOP_WITHIN_MS = 3_000

/** Ends what runs in every namespace of this prefix, and removes them and the folders. */
const REAP = `
  cat > /dev/null
  for name in $(ip netns list | cut -d' ' -f1 | grep "^$1"); do
    ip netns pids "$name" | xargs -r kill -9
    ip netns delete "$name"
  done
  rm -rf "$2"*`

/** One machine of the lab. */
export interface Machine {
  /** The words before a command that runs on this machine. */
  readonly wrapper: readonly string[]
  /** Starts a command; the lab ends it at the latest when it is disposed of. */
  spawn(command: string, args: readonly string[]): ChildProcess
  /** Runs `ip` with these words inside, for changes while things run. */
  ip(...words: string[]): void
}

/** Why labs cannot run here, or `undefined` when they can. */
export function labUnavailable(): string | undefined {
  if (process.getuid?.() !== 0) return 'network namespaces need root: run the labs with sudo'
  const needed = [
    { command: 'ip', args: ['netns', 'list'], from: 'iproute2' },
    { command: 'nft', args: ['--version'], from: 'nftables' },
  ]
  const missing = needed.find(({ command, args }) => !runs(command, args))
  if (missing === undefined) return undefined
  return `the \`${missing.command}\` command is missing: apt-get install ${missing.from}`
}

function runs(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

/** Namespaces and the processes in them; disposing ends and removes all. */
export class Namespaces implements AsyncDisposable {
  static #count = 0
  static #reaper: ChildProcess | undefined

  readonly #prefix: string
  readonly #names = new Set<string>()
  readonly #folders: string[] = []
  readonly #children = new Set<ChildProcess>()
  readonly #onExit = () => this.#remove()
  readonly #onSignal = () => process.exit(130)

  constructor() {
    const reason = labUnavailable()
    if (reason !== undefined) throw new Error(`Cannot build a lab: ${reason}`)
    removeLeftovers()
    Namespaces.#reaper ??= startReaper(`${PREFIX}-${process.pid}-`)
    Namespaces.#count += 1
    this.#prefix = `${PREFIX}-${process.pid}-${Namespaces.#count}-`
    process.once('exit', this.#onExit)
    for (const name of SIGNALS) process.once(name, this.#onSignal)
  }

  /** A new namespace with its loopback up; the name inside the lab is `name`. */
  add(name: string, { ipv6 }: { readonly ipv6: boolean }): Namespace {
    const full = this.#prefix + name
    execFileSync('ip', ['netns', 'add', full])
    this.#names.add(full)
    const namespace = new Namespace(full, (child) => this.#adopt(child))
    // Address detection off: an address counts at once, as it does after a second on a real link.
    const knobs = [`disable_ipv6=${ipv6 ? 0 : 1}`, 'accept_dad=0']
    const scopes = ['all', 'default'].map((scope) => `net.ipv6.conf.${scope}`)
    namespace.sysctl(...scopes.flatMap((scope) => knobs.map((knob) => `${scope}.${knob}`)))
    namespace.ip('link', 'set', 'lo', 'up')
    return namespace
  }

  /** A new folder for what a process of the lab writes; it goes with the lab. */
  folder(name: string): string {
    const folder = mkdtempSync(join(tmpdir(), `${this.#prefix}${name}-`))
    this.#folders.push(folder)
    return folder
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#onExit)
    for (const name of SIGNALS) process.off(name, this.#onSignal)
    await Promise.all([...this.#children].map(stopped))
    this.#remove()
  }

  #adopt(child: ChildProcess): void {
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
  }

  /** Synchronous, so that it also works while the process exits. */
  #remove(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const name of this.#names) removeNamespace(name)
    this.#names.clear()
    for (const folder of this.#folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  }
}

/** One network namespace, from outside. */
export class Namespace implements Machine {
  readonly name: string
  readonly wrapper: readonly string[]
  readonly #adopt: (child: ChildProcess) => void

  constructor(name: string, adopt: (child: ChildProcess) => void) {
    this.name = name
    this.wrapper = ['ip', 'netns', 'exec', name]
    this.#adopt = adopt
  }

  spawn(command: string, args: readonly string[]): ChildProcess {
    const [first = '', ...words] = [...this.wrapper, command, ...args]
    const child = spawn(first, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#adopt(child)
    return child
  }

  ip(...words: string[]): void {
    execFileSync('ip', ['-netns', this.name, ...words])
  }

  sysctl(...knobs: string[]): void {
    this.run('sysctl', ['-q', '-w', ...knobs])
  }

  /** Runs a command to its end and returns what it printed. */
  run(command: string, args: readonly string[], input = ''): string {
    const [first = '', ...words] = [...this.wrapper, command, ...args]
    return execFileSync(first, words, { encoding: 'utf8', input })
  }
}

function startReaper(prefix: string): ChildProcess {
  // A group of its own: Control-C goes to the whole group, and this one outlives it.
  const reaper = spawn('/bin/sh', ['-c', REAP, 'sh', prefix, join(tmpdir(), prefix)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  reaper.unref()
  // A pipe keeps the process going unless it is told not to.
  if (reaper.stdin instanceof Socket) reaper.stdin.unref()
  return reaper
}

function removeLeftovers(): void {
  const listed = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
  for (const line of listed.split('\n')) {
    const [name = ''] = line.split(' ')
    const [prefix, pid] = name.split('-')
    if (prefix === PREFIX && !isAlive(Number(pid))) removeNamespace(name)
  }
}

/** Ends what still runs inside, and removes the name; the reaper may have been faster. */
function removeNamespace(name: string): void {
  try {
    const inside = execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8', stdio: 'pipe' })
    for (const pid of inside.split('\n').filter((text) => text !== '')) kill(Number(pid))
    execFileSync('ip', ['netns', 'delete', name], { stdio: 'pipe' })
  } catch (error) {
    if (execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }).includes(name)) throw error
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended in the meantime.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Asks a process to end, and makes it end when it does not. */
async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
  await ended
  clearTimeout(timer)
}
