/** A command under test: its words in, what it printed out, and a node made of literals. */

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { seededRandom } from '../../src/base/index.ts'
import type { Context } from '../../src/cli/command.ts'
import { Output } from '../../src/cli/output.ts'
import type { NodeClient, Rooms } from '../../src/cli/rooms.ts'
import { ControlError } from '../../src/control/errors.ts'
import { generateKeys } from '../../src/identity/index.ts'
import { FakeClock } from './fake-clock.ts'

export const ALICE = generateKeys(seededRandom('alice')).signer.peer
export const BOB = generateKeys(seededRandom('bob')).signer.peer

/** A stream that remembers. */
export class Memory {
  text = ''
  readonly isTTY: boolean
  readonly columns = 80

  constructor(isTTY = false) {
    this.isTTY = isTTY
  }

  write(text: string): boolean {
    this.text += text
    return true
  }
}

export interface Setup {
  readonly args?: readonly string[]
  readonly options?: Context['options']
  /** The node that runs; without it, none does. */
  readonly node?: Partial<NodeClient>
  readonly rooms?: Partial<Rooms>
  readonly env?: Context['env']
  readonly dataDir?: string
  readonly signal?: AbortSignal
  /** What is piped in, piece by piece. */
  readonly stdin?: readonly Uint8Array[]
  readonly timeoutMs?: number
  readonly json?: boolean
  readonly tty?: boolean
}

/** A context, and what became of it. */
export function setup(given: Setup = {}) {
  const { node, json = false, tty = false } = given
  const stdout = new Memory(tty)
  const stderr = new Memory(tty)
  const clock = new FakeClock(1_000_000)
  const seen = { connects: 0, closed: 0 }
  const context: Context = {
    args: given.args ?? [],
    options: given.options ?? {},
    signal: given.signal ?? new AbortController().signal,
    timeoutMs: given.timeoutMs,
    dataDir: given.dataDir ?? '/data',
    env: given.env ?? {},
    cwd: '/here',
    clock,
    stdin: () => Readable.from(given.stdin ?? []),
    out: new Output({ out: stdout, err: stderr }, { json, color: false }),
    rooms: missing('room', given.rooms ?? {}),
    program: 'p2p',
    self: 'p2p',
    selfOn: () => 'p2p',
    version: '1.2.3',
    async connect() {
      seen.connects += 1
      if (node === undefined) throw unreachable()
      const close = async () => {
        seen.closed += 1
      }
      return missing<NodeClient>('node', { ...node, [Symbol.asyncDispose]: close })
    },
  }
  return { context, clock, stdout, stderr, seen, printed: () => JSON.parse(stdout.text) as unknown }
}

export function unreachable(): Error {
  return ControlError.NODE_UNREACHABLE({ node: '/data', reason: 'none', start: 'p2p start' })
}

/** A fake that says which part of it a test forgot. */
export function missing<T extends object>(what: string, parts: Partial<T>): T {
  return new Proxy(parts, {
    get(target, name, receiver): unknown {
      if (name in target) return Reflect.get(target, name, receiver)
      if (name === 'then') return undefined
      return assert.fail(`the ${what} has no ${String(name)} in this test`)
    },
  }) as T
}
