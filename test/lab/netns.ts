/**
 * Network namespaces for labs: machines on one link, made of `ip netns` and a bridge.
 *
 *   p2plab-<pid>-a ── veth ──┐
 *                            ├── bridge, in p2plab-<pid>-link
 *   p2plab-<pid>-b ── veth ──┘
 *
 * Nothing touches the host's own interfaces. Names carry the process id: what a killed run left
 * behind is recognised by its dead process, and removed by the next run.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'

const PREFIX = 'p2plab'
const BRIDGE = 'link0'
const STOP_WITHIN_MS = 3_000

/** One machine of the lab. */
export interface Machine {
  /** The words before a command that runs on this machine. */
  readonly wrapper: readonly string[]
  /** Starts a command; the lab ends it at the latest when it is disposed of. */
  spawn(command: string, args: readonly string[]): ChildProcess
  /** Runs `ip` with these words inside, for changes while things run. */
  ip(...words: string[]): void
}

/** What a machine has on the link. */
export interface MachineOptions {
  /** Addresses of the interface `eth0`, with prefix length. */
  readonly addresses: readonly string[]
  /** Without it the machine has no IPv6 at all, not even link-local addresses. */
  readonly ipv6: boolean
}

/** Why labs cannot run here, or `undefined` when they can. */
export function labUnavailable(): string | undefined {
  if (process.getuid?.() !== 0) return 'network namespaces need root: run the labs with sudo'
  try {
    execFileSync('ip', ['netns', 'list'], { stdio: 'pipe' })
  } catch {
    return 'the `ip` command is missing: apt-get install iproute2'
  }
  return undefined
}

/** Machines on one link; disposing of it ends their processes and removes everything. */
export class Lab implements AsyncDisposable {
  readonly #hub = `${PREFIX}-${process.pid}-link`
  readonly #namespaces: string[] = []
  readonly #children = new Set<ChildProcess>()
  readonly #onExit = () => this.#remove()
  readonly #onSignal = () => process.exit(130)

  constructor() {
    const reason = labUnavailable()
    if (reason !== undefined) throw new Error(`Cannot build a lab: ${reason}`)
    removeLeftovers()
    process.once('exit', this.#onExit)
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, this.#onSignal)
    this.#addNamespace(this.#hub)
    ip(this.#hub, 'link', 'add', BRIDGE, 'type', 'bridge')
    ip(this.#hub, 'link', 'set', BRIDGE, 'up')
  }

  machine(name: string, options: MachineOptions): Machine {
    const namespace = `${PREFIX}-${process.pid}-${name}`
    this.#addNamespace(namespace)
    setIPv6(namespace, options.ipv6)
    ip(this.#hub, 'link', 'add', `to-${name}`, 'type', 'veth', 'peer', 'eth0', 'netns', namespace)
    ip(this.#hub, 'link', 'set', `to-${name}`, 'master', BRIDGE, 'up')
    ip(namespace, 'link', 'set', 'lo', 'up')
    ip(namespace, 'link', 'set', 'eth0', 'up')
    for (const address of options.addresses) ip(namespace, 'address', 'add', address, 'dev', 'eth0')

    const wrapper = ['ip', 'netns', 'exec', namespace]
    return {
      wrapper,
      spawn: (command, args) => this.#spawn([...wrapper, command, ...args]),
      ip: (...words) => ip(namespace, ...words),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#onExit)
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(name, this.#onSignal)
    await Promise.all([...this.#children].map(stopped))
    this.#remove()
  }

  #spawn(words: readonly string[]): ChildProcess {
    const [command = '', ...args] = words
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  #addNamespace(name: string): void {
    execFileSync('ip', ['netns', 'add', name])
    this.#namespaces.push(name)
  }

  /** Synchronous, so that it also works while the process exits. */
  #remove(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const name of this.#namespaces.splice(0)) execFileSync('ip', ['netns', 'delete', name])
  }
}

function ip(namespace: string, ...words: string[]): void {
  execFileSync('ip', ['-netns', namespace, ...words])
}

/** Address detection off: a link-local address counts at once, as after a second on a real link. */
function setIPv6(namespace: string, enabled: boolean): void {
  for (const scope of ['all', 'default']) {
    const base = `net.ipv6.conf.${scope}`
    for (const knob of [`disable_ipv6=${enabled ? 0 : 1}`, 'accept_dad=0']) {
      const words = ['netns', 'exec', namespace, 'sysctl', '-q', '-w', `${base}.${knob}`]
      execFileSync('ip', words)
    }
  }
}

function removeLeftovers(): void {
  const listed = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
  for (const line of listed.split('\n')) {
    const [name = ''] = line.split(' ')
    const [prefix, pid] = name.split('-')
    if (prefix !== PREFIX || isAlive(Number(pid))) continue
    execFileSync('ip', ['netns', 'delete', name])
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
