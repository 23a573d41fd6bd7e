/**
 * The inside of a worker process: answers calls that come as JSON, one on each line of stdin.
 *
 *   in    {"id", "op", "params"}
 *   out   {"ready": true} once, then for each call {"id", "ok"} or {"id", "error"}
 *
 * Standard output belongs to this; whatever else a worker has to say goes to standard error.
 */

import { createInterface } from 'node:readline'

export type Ops = Readonly<Record<string, (params: never) => unknown>>

/** Serves calls until stdin ends, then exits: a worker does not outlive who started it. */
export async function serveWorker(ops: Ops): Promise<void> {
  say({ ready: true })
  for await (const line of createInterface({ input: process.stdin })) void answer(ops, line)
  process.exit(0)
}

async function answer(ops: Ops, line: string): Promise<void> {
  const { id, op, params } = JSON.parse(line) as { id: number; op: string; params: never }
  try {
    const work = ops[op]
    if (work === undefined) throw new TypeError(`no op "${op}"`)
    say({ id, ok: (await work(params)) ?? null })
  } catch (error) {
    say({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
}

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}
