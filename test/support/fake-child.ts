/** A child process that a test plays: its pipes, its end, and the signals that it was sent. */

import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import type { LaunchCommand, Spawn } from '../../src/control/launch-process.ts'

export class FakeChild extends EventEmitter {
  readonly stdin = new PassThrough()
  readonly stdout = new PassThrough()
  readonly stderr = new PassThrough()
  readonly signals: string[] = []
  /** What `answering` has read. */
  readonly heard: Record<string, unknown>[] = []
  readonly command: LaunchCommand
  pid: number | undefined = 1
  #text = ''

  constructor(command: LaunchCommand) {
    super()
    this.command = command
  }

  kill(signal: string): boolean {
    this.signals.push(signal)
    return true
  }

  /** All that it was told so far, oldest first. */
  commands(): Record<string, unknown>[] {
    const read: unknown = this.stdin.read()
    if (read instanceof Uint8Array) this.#text += Buffer.from(read).toString('utf8')
    const lines = this.#text.split('\n').filter((line) => line !== '')
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** Says one event, as its output would. */
  say(event: object): void {
    this.stdout.emit('data', Buffer.from(`${JSON.stringify(event)}\n`))
  }

  exit(code: number | null, signal: string | null): void {
    this.emit('close', code, signal)
  }

  fail(error: Error): void {
    this.pid = undefined
    this.emit('error', error)
  }
}

/** Has the child answer each command, by its type; a command without an answer is left. */
export function answering(
  child: FakeChild,
  answers: Readonly<Record<string, (command: Record<string, unknown>) => object>>,
): void {
  child.stdin.on('data', (bytes: Uint8Array) => {
    for (const line of Buffer.from(bytes).toString('utf8').split('\n')) {
      if (line === '') continue
      const command = JSON.parse(line) as Record<string, unknown>
      child.heard.push(command)
      const answer = answers[String(command.type)]?.(command)
      if (answer !== undefined) child.say({ ...answer, id: command.id })
    }
  })
}

/** A `Spawn` that keeps what it makes in `children`; `play` tells how each behaves. */
export function spawning(
  children: FakeChild[],
  play: (child: FakeChild) => void = () => undefined,
): Spawn {
  return (command) => {
    const child = new FakeChild(command)
    children.push(child)
    play(child)
    return child as unknown as ChildProcess
  }
}
