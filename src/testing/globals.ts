/**
 * Puts virtual time and seeded chance in the place of Node's own, for this whole process.
 *
 * libp2p takes time from everywhere: timers, `Date`, `performance`, `AbortSignal.timeout`,
 * `node:timers/promises`; and chance from `Math.random`, Web Crypto and `node:crypto`. Each is
 * replaced where it lives, so that modules loaded before are caught as well. It cannot be undone:
 * a simulation has a process to itself.
 */

import nodeCrypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers'
import promises from 'node:timers/promises'
import { promisify } from 'node:util'
import { TestingError } from './errors.ts'
import type { TimedEvent } from './event-heap.ts'
import { type SimRandom, simRandom } from './seed.ts'
import { EPOCH_MS, VirtualTime } from './virtual-time.ts'

/** Immediates come before every timer of the same moment. */
const IMMEDIATE_TIE = -1
/** Node's longest timer; a longer one ends at once. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** Replaces time and chance, once, before or after other modules are loaded. */
export function installVirtualTime(seed: number): VirtualTime {
  const time = new VirtualTime(seed)
  replaceTimers(time)
  replaceClocks(time)
  replaceChance(simRandom(`globals/${seed}`))
  holdNative(time)
  syncBuiltinESMExports()
  return time
}

type Callback = (...args: unknown[]) => void

/** What `setTimeout` gives: of Node's `Timeout` the parts that anybody uses. */
class Timer {
  readonly #time: VirtualTime
  readonly #delayMs: number
  readonly #repeats: boolean
  readonly #run: () => void
  #event: TimedEvent

  constructor(time: VirtualTime, delayMs: number, repeats: boolean, run: () => void) {
    this.#time = time
    this.#delayMs = delayMs
    this.#repeats = repeats
    this.#run = run
    this.#event = this.#set()
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }

  refresh(): this {
    this.close()
    this.#event = this.#set()
    return this
  }

  close(): this {
    this.#time.callOff(this.#event)
    return this
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #set(): TimedEvent {
    return this.#time.after(this.#delayMs, this.#time.tieOf(this.#delayMs), () => {
      if (this.#repeats) this.#event = this.#set()
      this.#run()
    })
  }
}

function replaceTimers(time: VirtualTime): void {
  const setTimer =
    (repeats: boolean) =>
    (run: Callback, delay?: number, ...args: unknown[]) =>
      new Timer(time, timerMs(delay), repeats, () => run(...args))
  const clear = (timer: unknown) => {
    if (timer instanceof Timer) timer.close()
  }
  const wait = setTimer(false)
  const immediate = (run: Callback, ...args: unknown[]) => new Immediate(time, () => run(...args))
  const clearImmediate = (one: unknown) => {
    if (one instanceof Immediate) one.close()
  }
  const later = abortable((run, delay?: number) => wait(run, delay))
  const soon = abortable((run) => immediate(run))
  const replaced = {
    setTimeout: Object.assign(wait, { [promisify.custom]: later }),
    setInterval: setTimer(true),
    setImmediate: Object.assign(immediate, { [promisify.custom]: soon }),
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate,
  }
  replace(globalThis, replaced)
  replace(timers, replaced)
  replace(promises, {
    setTimeout: later,
    setImmediate: (value?: unknown, options?: WaitOptions) => soon(0, value, options),
    setInterval: () => {
      throw TestingError.NOT_SIMULATED({ what: 'setInterval of node:timers/promises' })
    },
  })
  AbortSignal.timeout = (ms) => {
    const controller = new AbortController()
    wait(() => controller.abort(new DOMException('timed out', 'TimeoutError')), ms)
    return controller.signal
  }
}

class Immediate {
  readonly #time: VirtualTime
  readonly #event: TimedEvent

  constructor(time: VirtualTime, run: () => void) {
    this.#time = time
    this.#event = time.after(0, IMMEDIATE_TIE, run)
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }

  close(): void {
    this.#time.callOff(this.#event)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

interface WaitOptions {
  readonly signal?: AbortSignal
}

/** The form of `node:timers/promises`: rejects with an `AbortError` when the signal comes first. */
function abortable(set: (run: () => void, delay?: number) => { close(): unknown }) {
  return (delay?: number, value?: unknown, { signal }: WaitOptions = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const refuse = () => {
        reject(new DOMException('The operation was aborted', 'AbortError'))
      }
      if (signal?.aborted === true) {
        refuse()
        return
      }
      const abort = () => {
        timer.close()
        refuse()
      }
      const timer = set(() => {
        signal?.removeEventListener('abort', abort)
        resolve(value)
      }, delay)
      signal?.addEventListener('abort', abort, { once: true })
    })
}

function timerMs(delay: unknown): number {
  const ms = Number(delay)
  return ms >= 1 && ms <= TIMER_MS_MAX ? Math.trunc(ms) : 1
}

function replaceClocks(time: VirtualTime): void {
  const RealDate = Date
  class VirtualDate extends RealDate {
    constructor(...args: [] | ConstructorParameters<DateConstructor>) {
      if (args.length === 0) super(Math.floor(time.nowMs))
      else super(...args)
    }

    static override now(): number {
      return Math.floor(time.nowMs)
    }
  }
  globalThis.Date = VirtualDate as DateConstructor
  performance.now = () => time.nowMs - EPOCH_MS
  const nanoseconds = () => BigInt(Math.round((time.nowMs - EPOCH_MS) * 1e6))
  const hrtime = (since: readonly [number, number] = [0, 0]): [number, number] => {
    const passed = nanoseconds() - BigInt(since[0]) * 1_000_000_000n - BigInt(since[1])
    return [Number(passed / 1_000_000_000n), Number(passed % 1_000_000_000n)]
  }
  process.hrtime = Object.assign(hrtime, { bigint: nanoseconds })
}

function replaceChance(random: SimRandom): void {
  const fill = <View extends ArrayBufferView>(view: View): View => {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    bytes.set(random.bytes(bytes.length))
    return view
  }
  const uuid = () => nodeUuid(random.bytes(16))
  Math.random = () => random.fraction()
  replace(globalThis.crypto, { getRandomValues: fill, randomUUID: uuid })
  // Its `getRandomValues` is that of Web Crypto.
  replace(nodeCrypto, {
    randomUUID: uuid,
    randomFillSync: fill,
    randomBytes: (count: number, done?: (error: null, bytes: Buffer) => void) => {
      const bytes = Buffer.from(random.bytes(count))
      if (done === undefined) return bytes
      queueMicrotask(() => done(null, bytes))
      return undefined
    },
    randomInt: (low: number, high?: number) =>
      high === undefined ? random.int(low) : low + random.int(high - low),
  })
}

function nodeUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`]
  return [...parts, `8${hex.slice(17, 20)}`, hex.slice(20)].join('-')
}

/** Web Crypto works on other threads: time waits for it. */
function holdNative(time: VirtualTime): void {
  const { subtle } = globalThis.crypto
  const names = ['digest', 'sign', 'verify', 'importKey', 'exportKey', 'generateKey'] as const
  for (const name of [...names, 'encrypt', 'decrypt', 'deriveBits', 'deriveKey'] as const) {
    const real = Reflect.get(subtle, name) as (...args: unknown[]) => Promise<unknown>
    const held = (...args: unknown[]) => time.hold(() => Reflect.apply(real, subtle, args))
    replace(subtle, { [name]: held })
  }
}

/** Some of what is replaced can be read only. */
function replace(where: object, what: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(what)) {
    Object.defineProperty(where, name, { value, writable: true, configurable: true })
  }
}
