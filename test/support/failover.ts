/**
 * Calls whose callee is killed, frozen or cut off: real processes, and what came of each call.
 *
 *   caller (this process) ──▶ proxy ──▶ A (process)      both offer `steady`, which may run twice,
 *                         └─▶ proxy ──▶ B (process)      and `count`, which writes when it runs
 *
 * A is ranked first, and what happens, happens to it. A proxy stands before each, so that it can be
 * cut off from the caller without either of them doing anything.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CodedError } from '../../src/base/index.ts'
import type { PeerId } from '../../src/identity/index.ts'
import type { CallResult } from '../../src/mcp/index.ts'
import { eventually, type TestNode, testNode } from './nodes.ts'
import { TcpProxy } from './tcp-proxy.ts'

const CALLEE = fileURLToPath(new URL('./failover-callee.ts', import.meta.url))
const READY_MS = 120_000
const QUICK_CALLS = 15
/** How much slower than A's average answer B's is, and at least. */
const SLOWER = 3
const SLOWER_MS = 300

/** What happens to the first callee, and when. */
export const FAULTS = ['kill-before', 'kill-during', 'kill-after', 'frozen', 'cut'] as const
export type Fault = (typeof FAULTS)[number]

/** What came of one call: `by` is A or B; `ran` names the callee for each time that it wrote. */
export interface CallReport {
  readonly outcome: string
  readonly by: 'A' | 'B' | '-'
  readonly ms: number
  readonly ran: string
  /**
   * What the same key came to at A once A was back: `kept` is the answer of before. A journal is
   * its callee's own, so where B answered A has never seen the key, and is not asked.
   */
  readonly again: 'kept' | 'not asked: B answered' | '-'
  /** As `ran`, of that repetition alone: anything here is the journal's fault. */
  readonly ranAgain: string
}

export interface RunReport {
  readonly fault: Fault
  /** Whether the callee comes back while the call has time. */
  readonly returns: boolean
  readonly steady: CallReport
  readonly count: CallReport
}

/** One callee: its process, which may come and go, and what stays. */
class Callee {
  readonly proxy: TcpProxy
  readonly #file: string
  readonly #dataDir: string
  readonly #port: number
  /** Of compiled code: what comes back is back in a fraction of the time. */
  readonly #cache: string
  #child: ChildProcess | undefined
  address = ''
  /** Whom it looks for when it starts. */
  bootstrap: string | undefined

  constructor(proxy: TcpProxy, parts: { folder: string; name: string; port: number }) {
    this.proxy = proxy
    this.#file = join(parts.folder, 'ran')
    this.#dataDir = join(parts.folder, parts.name)
    this.#port = parts.port
    this.#cache = join(parts.folder, 'cache')
    proxy.target = parts.port
  }

  get peer(): PeerId {
    return this.address.split('/').at(-1) as PeerId
  }

  async start(): Promise<void> {
    const words = [CALLEE, this.#dataDir, String(this.#port), String(this.proxy.port), this.#file]
    const more = this.bootstrap === undefined ? [] : [this.bootstrap]
    const child = spawn(process.execPath, [...words, ...more], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_COMPILE_CACHE: this.#cache },
    })
    this.#child = child
    const lines = createInterface({ input: child.stdout })
    const ended = once(child, 'exit').then(([code, signal]) => {
      throw new Error(
        `a callee ended before it was ready (${code ?? signal}): see its errors above`,
      )
    })
    ended.catch(() => {})
    const line = once(lines, 'line', { signal: AbortSignal.timeout(READY_MS) })
    this.address = String((await Promise.race([line, ended]))[0])
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

/** Two callees that outlive the runs. */
export class FailoverWorld implements AsyncDisposable {
  readonly #folder: string
  readonly #a: Callee
  readonly #b: Callee
  #runs = 0

  private constructor(folder: string, a: Callee, b: Callee) {
    this.#folder = folder
    this.#a = a
    this.#b = b
  }

  static async open(): Promise<FailoverWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'p2p-failover-'))
    const [atA, atB] = [await TcpProxy.listen(), await TcpProxy.listen()]
    const a = new Callee(atA, { folder, name: 'a', port: await freePort() })
    const b = new Callee(atB, { folder, name: 'b', port: await freePort() })
    const world = new FailoverWorld(folder, a, b)
    try {
      await a.start()
      b.bootstrap = a.address
      await b.start()
      return world
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const callee of [this.#a, this.#b]) {
      await callee.kill()
      callee.proxy.close()
    }
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Both calls at once, by a caller that knows nothing yet; `at` from 0 to 1 is when. */
  async run(fault: Fault, { returns, at }: { returns: boolean; at: number }): Promise<RunReport> {
    this.#runs += 1
    const nodes = [this.#a.address, this.#b.address]
    // Who is gone for good is asked in vain, however long.
    const outcomeWaitMs = returns ? 6_000 : 3_000
    const mcp = { requestTimeoutMs: 20_000, attemptTimeoutMs: 8_000, outcomeWaitMs }
    const caller = await testNode({ bootstrap: { nodes }, mcp })
    try {
      await this.#warm(caller)
      const call = (name: 'steady' | 'count') => this.#call(caller, name)
      if (fault === 'kill-before') await this.#a.kill()
      const calls = Promise.all([call('steady'), call('count')])
      const settled = calls.then(() => undefined)
      if (fault !== 'kill-before' && fault !== 'kill-after') await wait(Math.round(at * 600))
      const mended = this.#hurt(fault, returns, settled)
      const [steady, count] = await calls
      await mended
      // What was frozen or cut off may still have the call before it.
      await wait(fault === 'kill-before' ? 0 : 700)
      const ran = await this.#ran(count)
      const again = fault === 'kill-after' ? await this.#again(caller, count) : '-'
      const ranAgain = (await this.#ran(count)).slice(ran.length)
      const reported = { ...reportOf(count), ran, again, ranAgain }
      return { fault, returns, steady: reportOf(steady), count: reported }
    } finally {
      await caller[Symbol.asyncDispose]()
    }
  }

  /** A has answered fast and B has not, so A is asked first. */
  async #warm({ node }: TestNode): Promise<void> {
    for (const tool of ['steady', 'count']) {
      await eventually(async () => {
        const found = await node.tools.find({ tool })
        return found.length === 2 ? found : undefined
      })
    }
    // Without a try that fails: the ranking would remember it.
    await eventually(() => node.connect(this.#a.address).catch(() => undefined))
    const call = (peer: PeerId, beforeMs: number) => {
      const args = { id: 'warm', beforeMs, afterMs: 0 }
      return node.tools.call('steady', args, { peer, service: 'failover' })
    }
    // The first answer takes long on a busy machine; what counts is an average.
    const began = performance.now()
    for (let i = 0; i < QUICK_CALLS; i += 1) await call(this.#a.peer, 0)
    const averageMs = (performance.now() - began) / QUICK_CALLS
    await call(this.#b.peer, Math.round(Math.max(SLOWER_MS, SLOWER * averageMs)))
  }

  async #hurt(fault: Fault, returns: boolean, over: Promise<void>): Promise<void> {
    const back = () => (returns ? wait(500) : over)
    if (fault === 'kill-before') {
      await back()
      await this.#a.start()
    } else if (fault === 'kill-during') {
      await this.#a.kill()
      await back()
      await this.#a.start()
    } else if (fault === 'frozen') {
      this.#a.signal('SIGSTOP')
      // Longer than silence is borne, so that the call is given up, and the callee asked.
      await (returns ? wait(6_000) : over)
      this.#a.signal('SIGCONT')
    } else if (fault === 'cut') {
      this.#a.proxy.cut()
      await (returns ? wait(1_000) : over)
      this.#a.proxy.mend()
    }
  }

  async #call({ node }: TestNode, tool: 'steady' | 'count'): Promise<Answered> {
    const id = `${tool}-${this.#runs}`
    const key = Buffer.from(`${id}-${process.pid}-padding`).toString('base64url').slice(0, 64)
    const args = { id, beforeMs: 250, afterMs: 250 }
    const began = performance.now()
    try {
      const { content, peer } = await node.tools.call(tool, args, { key })
      const by = peer === this.#a.peer ? 'A' : 'B'
      return { tool, args, key, content, outcome: 'answered', by, ms: performance.now() - began }
    } catch (error) {
      const outcome = String(error instanceof CodedError ? error.code : error)
      const ms = performance.now() - began
      return { tool, args, key, content: [], outcome, by: '-', ms }
    }
  }

  /** The same call once more, after its callee was killed and is back: it does not run again. */
  async #again({ node }: TestNode, call: Answered): Promise<CallReport['again']> {
    await this.#a.kill()
    await this.#a.start()
    const { tool, args, key, by, content } = call
    if (by === 'B') return 'not asked: B answered'
    assert.equal(by, 'A', `nothing had happened to it, and the call came to ${call.outcome}`)
    const target = { key, peer: this.#a.peer, service: 'failover', timeoutMs: 20_000 }
    const again = await eventually<CallResult>(() => {
      return node.tools.call(tool, args, target).catch((error: unknown): undefined => {
        if (error instanceof CodedError && error.code === 'MCP_TOOL_UNAVAILABLE') return undefined
        throw error
      })
    })
    assert.deepEqual(again.content, content, 'the journal kept it')
    return 'kept'
  }

  /** Which callee ran it, in order: `A`, or `AB` where it ran at both. */
  async #ran({ args }: Answered): Promise<string> {
    const text = await readFile(join(this.#folder, 'ran'), 'utf8').catch(() => '')
    const lines = text.split('\n').map((line) => line.split(' '))
    const where = lines.flatMap(([id, name = '']) => (id === args.id ? [name.toUpperCase()] : []))
    return where.join('')
  }
}

/** One call, and what is needed to make it again. */
interface Answered extends Pick<CallReport, 'outcome' | 'by' | 'ms'> {
  readonly tool: 'steady' | 'count'
  readonly args: { readonly id: string; readonly beforeMs: number; readonly afterMs: number }
  readonly key: string
  readonly content: readonly unknown[]
}

function reportOf({ outcome, by, ms }: Answered): CallReport {
  return { outcome, by, ms: Math.round(ms), ran: '', again: '-', ranAgain: '' }
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
