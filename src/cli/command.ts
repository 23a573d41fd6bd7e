/** What a command is. `commands/index.ts` is the table; `main.ts` turns errors into exit codes. */

import type { Clock } from '../base/index.ts'
import type { Output } from './output.ts'
import type { NodeClient, Rooms } from './rooms.ts'

export interface OptionSpec {
  /** As commander reads it: `--name <name>`. */
  readonly flags: string
  /** One phrase, shown by `--help`. */
  readonly help: string
  /** May be given several times; its value is the list. */
  readonly many?: true
  readonly choices?: readonly string[]
}

export type OptionValues = Readonly<
  Record<string, string | boolean | readonly string[] | undefined>
>

export interface Context {
  readonly args: readonly string[]
  readonly options: OptionValues
  /** Aborts on Ctrl-C and when the time of the command is over. */
  readonly signal: AbortSignal
  /** The time of the command, for a node that should answer before we give up on it. */
  readonly timeoutMs: number | undefined
  readonly dataDir: string
  readonly version: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly clock: Clock
  readonly out: Output
  /** What is piped in, for a command that is given `-`. */
  stdin(): AsyncIterable<Uint8Array>
  readonly rooms: Rooms
  /** What a person types in this folder to run us: `p2p` or a path to it. */
  readonly program: string
  /** The same with `--data` when this data folder is not the usual one. */
  readonly self: string
  /** The same for another data folder. */
  selfOn(dataDir: string): string
  /** Connects to the node that runs on the data folder; the command disposes of it. */
  connect(): Promise<NodeClient>
}

export interface Command {
  /** The words after `p2p`: `call`, or `dht put` in the group `dht`. */
  readonly name: string
  readonly summary: string
  /** Positional arguments as commander reads them: `<tool> [json]`. */
  readonly args?: string
  readonly options?: readonly OptionSpec[]
  /** Each is what follows `p2p`; shown by `--help`. */
  readonly examples: readonly string[]
  /** How long it may take unless `--timeout` says otherwise; without it, until it is stopped. */
  readonly timeoutMs?: number
  /** An option, by its name in `options`, with which it runs until it is stopped. */
  readonly endlessWith?: string
  /** Whether the node keeps the time itself, so that we wait a little longer for its verdict. */
  readonly nodeKeepsTime?: true
  /** Runs when the group is named alone. */
  readonly groupDefault?: true
  /** Not for people, so `--help` leaves it out. */
  readonly hidden?: true
  run(context: Context): Promise<void>
}
