/**
 * What turning one knob changes.
 *
 * An observation makes the smallest thing that obeys the knob from a whole configuration and tells
 * what it does; that must differ between two values. Reading the configuration back is no
 * observation. `made` is called between making and doing: knobs that apply at once are turned there
 * a second time, and must have the same effect.
 */

import { setImmediate } from 'node:timers/promises'
import type { AccessPolicy } from '../../../src/access/index.ts'
import type { LogLevels } from '../../../src/base/index.ts'
import type { NodeConfig } from '../../../src/node/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** Those of the rooms that keep something made from their knobs. */
export interface Rooms {
  readonly policy?: Pick<AccessPolicy, 'reconfigure'>
  readonly log?: { setLevels(levels: LogLevels): void }
}

export type Observe = (config: NodeConfig, made: (rooms?: Rooms) => void) => unknown

export interface Observation {
  /** A value other than the default, as the file has it. */
  readonly value: unknown
  readonly observe: Observe
  /** Other keys that must be set for the knob to matter. */
  readonly beside?: Readonly<Record<string, unknown>>
}

/** By key of the file. */
export type Observations = Readonly<Record<string, Observation>>

/** Time until `work` settles, and how; whatever takes longer than `maxMs` is not waited for. */
export async function timeOf(
  clock: FakeClock,
  work: Promise<unknown>,
  { stepMs, maxMs }: { readonly stepMs: number; readonly maxMs: number },
): Promise<number> {
  const startedMs = clock.now()
  const state = { over: false }
  const end = () => {
    state.over = true
  }
  work.then(end, end)
  await quiet()
  while (!state.over && clock.now() - startedMs < maxMs) {
    await clock.advance(stepMs)
    await quiet()
  }
  return clock.now() - startedMs
}

/** Lets whatever is under way go on until it must wait for time. */
export async function quiet(turns = 50): Promise<void> {
  for (let i = 0; i < turns; i += 1) await setImmediate()
}

/** The code that `work` fails with, or `ok`. */
export async function outcome(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'ok'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

/** How often `work` succeeds until it throws, at most `limit` times. */
export function timesUntilRefused(work: (i: number) => void, limit: number): number {
  for (let i = 0; i < limit; i += 1) {
    try {
      work(i)
    } catch {
      return i
    }
  }
  return limit
}

/** A clock that notes how long it was asked to wait. */
export class NotingClock extends FakeClock {
  readonly waits: number[] = []

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.waits.push(ms)
    return super.sleep(ms, signal)
  }

  override deadline(ms: number, signal?: AbortSignal): ReturnType<FakeClock['deadline']> {
    this.waits.push(ms)
    return super.deadline(ms, signal)
  }
}
