/**
 * What a person sees of a running node: one line that is drawn again every second, and above it
 * the log lines that matter. Without a terminal there is no line and the log goes its own way.
 */

import { aborted } from './abort.ts'
import type { Context } from './command.ts'
import { cleanLine } from './output.ts'
import type { Daemon } from './rooms.ts'
import { count, durationText } from './words.ts'

const REDRAW_MS = 1_000

/** The line of one node; it draws only where a person looks. */
export class LiveLine {
  readonly #context: Pick<Context, 'clock' | 'out' | 'signal'>
  #daemon: Daemon | undefined

  constructor(context: Pick<Context, 'clock' | 'out' | 'signal'>) {
    this.#context = context
  }

  /** Resolves when the command is asked to stop. */
  async run(daemon: Daemon): Promise<void> {
    const { clock, out, signal } = this.#context
    this.#daemon = daemon
    while (!signal.aborted) {
      if (out.live) out.redraw(this.#text(daemon))
      const pause = out.live ? clock.sleep(REDRAW_MS, signal) : aborted(signal)
      await pause.catch(() => undefined)
    }
    if (out.live) out.redraw('')
  }

  /** What a person at a terminal wants of the log: what went wrong, in words. */
  above(line: string): void {
    const { out } = this.#context
    const text = readable(line)
    if (text === undefined) return
    if (this.#daemon !== undefined) out.redraw('')
    out.note(text)
    if (this.#daemon !== undefined) out.redraw(this.#text(this.#daemon))
  }

  #text(daemon: Daemon): string {
    const { peers, uptimeMs } = daemon.node.status()
    const made = `${count(daemon.calls(), 'call')} made`
    const served = `${count(daemon.served(), 'request')} served`
    return [count(peers, 'peer'), made, served, `up ${durationText(uptimeMs)}`].join(' · ')
  }
}

function readable(line: string): string | undefined {
  try {
    const { level, module, msg, time: _, ...rest } = JSON.parse(line) as Record<string, unknown>
    if (level !== 'warn' && level !== 'error') return undefined
    const facts = Object.entries(rest).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    const head = [level, module, msg].filter((part) => typeof part === 'string')
    return cleanLine([...head, ...facts].join(' '))
  } catch {
    return cleanLine(line)
  }
}
