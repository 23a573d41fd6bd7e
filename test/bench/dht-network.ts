/** One network of the bench `dht`: formed, left idle, used, and gone again. */

import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import type { Measured, Run } from './harness.ts'
import type { WorkerProcess } from './harness-process.ts'
import type { Held, Used } from './sides/dht-side.ts'

export type SideName = 'ours' | 'hyperdht' | 'stock'

export interface Network {
  readonly nodes: number
  /** How often each operation is done. */
  readonly operations: number
  /** How long it is left alone before it is watched, and then watched doing nothing. */
  readonly settleMs: number
  readonly idleMs: number
}

const SIDE = new URL('./sides/dht-side.ts', import.meta.url)
const NODES_PER_PROCESS = 250
/** Else a process grows a young generation of 64 MiB, more than 50 nodes take. */
const YOUNG_MB = 8
const PROCESSES_MIN = 2
const VERIFY_CAP_MS = 30_000
const FORM_CAP_MS = 300_000

/** Starts a network of one side in processes of its own, measures it, and ends it. */
export async function measureNetwork(
  run: Run,
  side: SideName,
  { nodes, operations, settleMs, idleMs }: Network,
): Promise<Measured> {
  const processes = Math.max(PROCESSES_MIN, Math.ceil(nodes / NODES_PER_PROCESS))
  const nodeArgs = ['--expose-gc', `--max-semi-space-size=${YOUNG_MB}`]
  const options = { args: [side], nodeArgs }
  const workers = await Promise.all(
    Array.from({ length: processes }, () => run.start(SIDE, options)),
  )
  try {
    const empty = await held(workers, true)
    const formed = await form(workers, nodes)
    const idle = await watch(workers, settleMs, idleMs)
    const rss = (await held(workers, true)).rssBytes - empty.rssBytes
    const measured: Record<string, number> = {
      ...formed,
      rss: rss / nodes / 2 ** 20,
      idleCpu: idle.cpuPercent,
      idleQuestions: idle.questionsPerSecond / nodes,
    }
    const costs = await useAll(workers, operations, idle.bytesPerSecond)
    return { ...measured, ...costs }
  } finally {
    await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()))
  }
}

/** Seconds until every node has found its true neighbours. */
async function form(workers: readonly WorkerProcess[], nodes: number) {
  const began = performance.now()
  const [first, ...others] = workers
  const entry = await first?.call<string>('begin')
  const entries = [
    entry ?? '',
    ...(await Promise.all(others.map((worker) => worker.call<string>('begin', { entry })))),
  ]
  const lists = await Promise.all(
    workers.map((worker, i) => {
      const count = Math.floor((nodes * (i + 1)) / workers.length)
      const before = Math.floor((nodes * i) / workers.length)
      return worker.call<string[]>('form', { count: count - before, entries })
    }),
  )
  process.stderr.write(`dht: ${nodes} nodes joined in ${seconds(began)} s\n`)
  const params = { places: lists.flat(), capMs: VERIFY_CAP_MS }
  for (;;) {
    const verified = await Promise.all(
      workers.map((worker) => worker.call<Verified>('verify', params)),
    )
    const ms = performance.now() - began
    const unsure = verified.reduce((sum, one) => sum + one.unsure, 0)
    const found = verified.reduce((sum, one) => sum + one.found, 0) / verified.length
    if (unsure > 0) {
      process.stderr.write(`dht: ${unsure} of ${nodes} nodes are not in their place yet\n`)
    }
    if (unsure === 0 || ms > FORM_CAP_MS) {
      return { formation: ms / 1_000, neighbours: 100 * found, misplaced: unsure }
    }
  }
}

function seconds(beganMs: number): string {
  return ((performance.now() - beganMs) / 1_000).toFixed(1)
}

interface Verified {
  readonly unsure: number
  readonly found: number
}

/** What the network does while nobody uses it. */
async function watch(workers: readonly WorkerProcess[], settleMs: number, ms: number) {
  await wait(settleMs)
  const [before, bytesBefore] = [await held(workers, false), loopbackBytes()]
  await wait(ms)
  const [after, bytesAfter] = [await held(workers, false), loopbackBytes()]
  return {
    cpuPercent: ((after.cpuMs - before.cpuMs) / ms) * 100,
    questionsPerSecond: ((after.asked - before.asked) / ms) * 1_000,
    bytesPerSecond: ((bytesAfter - bytesBefore) / ms) * 1_000,
  }
}

async function useAll(
  workers: readonly WorkerProcess[],
  count: number,
  idleBytesPerSecond: number,
): Promise<Measured> {
  const each = Math.ceil(count / workers.length)
  const names = workers.map((_, at) => Array.from({ length: each }, (_, i) => `name ${at} ${i}`))
  const stored: string[] = []
  const cost = async (kind: string, work: (worker: WorkerProcess, at: number) => Promise<Used>) => {
    const all: Used[] = []
    const [began, bytes] = [performance.now(), loopbackBytes()]
    for (const [at, worker] of workers.entries()) all.push(await work(worker, at))
    const seconds = (performance.now() - began) / 1_000
    const flowed = loopbackBytes() - bytes - seconds * idleBytesPerSecond
    return costOf(kind, all, flowed)
  }
  return {
    ...(await cost('put', async (worker, at) => {
      const put = await worker.call<Used & { keys: string[] }>('put', {
        from: at * each,
        count: each,
      })
      stored.push(...put.keys)
      return put
    })),
    // Each process asks for what others stored as well: every so manyth key.
    ...(await cost('get', (worker, at) => {
      const keys = stored.filter((_, i) => i % workers.length === at)
      return worker.call<Used>('get', { keys })
    })),
    ...(await cost('provide', (worker, at) => worker.call<Used>('provide', { names: names[at] }))),
    ...(await cost('find', (worker, at) => {
      return worker.call<Used>('find', { names: names[(at + 1) % names.length] })
    })),
  }
}

function costOf(kind: string, all: readonly Used[], bytes: number): Measured {
  const times = all.flatMap((used) => used.times)
  const failed = all.reduce((sum, used) => sum + used.failed, 0)
  const questions = all.reduce((sum, used) => sum + used.questions, 0)
  return {
    [`${kind}P50`]: quantile(times, 0.5),
    [`${kind}P99`]: quantile(times, 0.99),
    [`${kind}Questions`]: questions / times.length,
    [`${kind}Kb`]: Math.max(0, bytes) / times.length / 1_000,
    [`${kind}Failed`]: failed,
  }
}

async function held(workers: readonly WorkerProcess[], collect: boolean): Promise<Held> {
  const all = await Promise.all(workers.map((one) => one.call<Held>('held', { collect })))
  const sum = (read: (one: Held) => number) => all.reduce((total, one) => total + read(one), 0)
  return {
    rssBytes: sum(({ rssBytes }) => rssBytes),
    cpuMs: sum(({ cpuMs }) => cpuMs),
    asked: sum(({ asked }) => asked),
  }
}

/** All that has gone over loopback since the machine was started, whoever sent it. */
function loopbackBytes(): number {
  const line = readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .find((each) => each.trim().startsWith('lo:'))
  return Number(line?.trim().split(/\s+/)[1])
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = Math.min(sorted.length - 1, Math.floor(part * sorted.length))
  return sorted[at] ?? Number.NaN
}
