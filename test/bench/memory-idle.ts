/** An idle node as a process: what it takes of memory and of a core, read from `/proc`. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'

export interface Idle {
  readonly rssMb: number
  readonly cpuPercent: number
  readonly startMs: number
}

/** The kernel's unit of `utime` and `stime`: USER_HZ, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100
const SETTLE_MS = 5_000

/** Starts the node that `program` is, waits until it is ready, and watches it do nothing. */
export async function measureIdle(program: string, seconds: number): Promise<Idle> {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-bench-'))
  const words = [program, 'start', '--preset', 'test', '--data', dataDir, '--json']
  const began = performance.now()
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'ignore'] })
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  try {
    await ready(child)
    const startMs = performance.now() - began
    await wait(Math.min(SETTLE_MS, seconds * 1_000))
    const before = ticksOf(child)
    await wait(seconds * 1_000)
    const cpuPercent = ((ticksOf(child) - before) / TICKS_PER_SECOND / seconds) * 100
    return { rssMb: rssKbOf(child) / 1_024, cpuPercent, startMs }
  } finally {
    process.removeListener('exit', end)
    if (child.exitCode === null) {
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    }
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function ready({ stdout, pid }: ChildProcess): Promise<void> {
  if (stdout === null) throw new TypeError(`process ${String(pid)} has no stdout`)
  for await (const line of createInterface({ input: stdout })) {
    if (line.includes('"event":"ready"')) return
  }
  throw new TypeError('the node ended before it was ready')
}

/** Of all its threads, in user and kernel mode. */
function ticksOf({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

function rssKbOf({ pid }: ChildProcess): number {
  const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])
}
