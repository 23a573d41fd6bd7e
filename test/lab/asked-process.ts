/**
 * A process of a lab that is asked by JSON lines and tells what happens to it in between.
 *
 *   {…question}  ──▶ process
 *   {"done": …}  ◀── its answer; every other line is something told
 */

import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Machine } from './namespaces.ts'

/** One question at a time; what is told is kept for whoever waits for it. */
export class AskedProcess {
  readonly told: unknown[] = []
  readonly #child: ChildProcess
  #answer = pending()
  #last: Promise<unknown> = Promise.resolve()
  #wake = Promise.withResolvers<void>()
  readonly #reading: Promise<void>

  constructor(machine: Machine, words: readonly string[]) {
    this.#child = machine.spawn(process.execPath, words)
    this.#child.once('exit', () => this.#answer.reject(new Error('The process has ended')))
    this.#reading = this.#read()
  }

  ask(question: object): Promise<unknown> {
    const answer = this.#last.then(() => {
      this.#child.stdin?.write(`${JSON.stringify(question)}\n`)
      return this.#answer.promise
    })
    this.#last = answer.catch(() => undefined)
    return answer
  }

  /** The first thing told that `wanted` takes, now or within the time; else `undefined`. */
  async heard<T>(wanted: (told: unknown) => T | undefined, withinMs: number) {
    const until = performance.now() + withinMs
    for (;;) {
      const found = this.told.map(wanted).find((one) => one !== undefined)
      const left = until - performance.now()
      if (found !== undefined || left <= 0) return found
      const timer = setTimeout(() => this.#wake.resolve(), left)
      await this.#wake.promise
      clearTimeout(timer)
      this.#wake = Promise.withResolvers()
    }
  }

  /** Ends it at once, as a power cut does; resolves when all that it told was read. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#reading
  }

  async #read(): Promise<void> {
    if (this.#child.stdout === null) return
    for await (const line of createInterface({ input: this.#child.stdout })) {
      const said = JSON.parse(line) as object
      if ('done' in said) {
        const { resolve } = this.#answer
        this.#answer = pending()
        resolve(said.done)
      } else {
        this.told.push(said)
        this.#wake.resolve()
      }
    }
  }
}

/** An answer that nobody may be waiting for when the process ends. */
function pending(): PromiseWithResolvers<unknown> {
  const answer = Promise.withResolvers<unknown>()
  answer.promise.catch(() => undefined)
  return answer
}
