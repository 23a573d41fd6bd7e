/**
 * The calls of one stream that have an idempotency key: each is looked up in the journal before it
 * reaches the tool, and its answer is noted there before it reaches the peer.
 */

import { createHash } from 'node:crypto'
import type { PeerId } from '../identity/index.ts'
import { isJsonObject, type JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { type Entry, type Journal, KEPT_CHARS_MAX, type OutcomeText } from './journal.ts'
import { keyOf, type RpcId, type RpcMessage, readRefusal, SERVICE_META } from './protocol.ts'
import { ranNever } from './verdict.ts'

export interface KeyedCallsDeps {
  readonly journal: Pick<Journal, 'knows' | 'begin' | 'finish' | 'finishLarge' | 'lose' | 'reopen'>
  /** Whether the tool says that it may run twice; `service` is none on a stream of all services. */
  readonly isIdempotent: (service: string | undefined, tool: string) => boolean
}

export class KeyedCalls {
  readonly #peer: PeerId
  readonly #deps: KeyedCallsDeps
  readonly #inWork = new Map<RpcId, Entry>()
  #service: string | undefined

  constructor(peer: PeerId, deps: KeyedCallsDeps) {
    this.#peer = peer
    this.#deps = deps
  }

  /** How many calls with a key the tool has not answered. */
  get inWork(): number {
    return this.#inWork.size
  }

  /** Which service the stream belongs to, as its first message says. */
  select(message: RpcMessage): void {
    if (message.kind === 'answer') return
    const meta = message.params._meta
    const service = isJsonObject(meta) ? meta[SERVICE_META] : undefined
    this.#service = typeof service === 'string' ? service : undefined
  }

  /** Whether the call came before, as far as its key says. Throws where that is not of our form. */
  knows(message: RpcMessage): boolean {
    const key = keyOf(message)
    return key !== undefined && this.#deps.journal.knows(this.#peer, key)
  }

  /** What answers the call in the tool's place; none where the tool must. Throws the refusal. */
  take(message: RpcMessage): Promise<OutcomeText> | undefined {
    const key = keyOf(message)
    if (key === undefined || message.kind !== 'request') return undefined
    const { name, arguments: args = {} } = message.params
    const tool = typeof name === 'string' ? name : ''
    const { journal, isIdempotent } = this.#deps
    const digest = digestOf([this.#service ?? null, tool, args])
    const durable = !isIdempotent(this.#service, tool)
    const { entry, isNew } = journal.begin({ peer: this.#peer, key, digest, durable })
    if (!isNew) return outcomeOf(entry)
    const before = this.#inWork.get(message.id)
    if (before !== undefined) journal.lose(before, 'its caller gave it up')
    this.#inWork.set(message.id, entry)
    return undefined
  }

  /** Notes what the tool answered in a frame of so many bytes. */
  answered(id: RpcId | null, answer: JsonObject, bytes: number): void {
    const entry = id === null ? undefined : this.#inWork.get(id)
    if (id === null || entry === undefined) return
    this.#inWork.delete(id)
    const { result, error } = answer
    if (isUnfinished(answer)) this.#deps.journal.reopen(entry)
    // To write out again what will not be kept costs as much as the rest of a long answer.
    else if (bytes > KEPT_CHARS_MAX) this.#deps.journal.finishLarge(entry, `${bytes} bytes`)
    else if (error !== undefined) this.#deps.journal.finish(entry, JSON.stringify({ error }))
    else this.#deps.journal.finish(entry, JSON.stringify({ result }))
  }

  /** Whoever cancelled a call wants no answer, and the tool gives none. */
  cancelled(id: RpcId): void {
    const entry = this.#inWork.get(id)
    this.#inWork.delete(id)
    if (entry !== undefined) this.#deps.journal.lose(entry, 'its caller cancelled it')
  }

  /** What has no answer by now will never have one. */
  lose(reason: string): void {
    for (const entry of this.#inWork.values()) this.#deps.journal.lose(entry, reason)
    this.#inWork.clear()
  }
}

/** What an entry came to, once it has; throws where that is not known, or not kept. */
export async function outcomeOf(entry: Entry): Promise<OutcomeText> {
  if (entry.state === 'running') await entry.ended.promise
  switch (entry.state) {
    case 'done':
      return entry.text
    case 'large':
      throw McpError.RESULT_NOT_KEPT({ found: entry.text })
    case 'withdrawn':
      throw McpError.CALL_NEVER_RAN({ key: entry.key })
    default:
      throw McpError.CALL_LOST({ reason: entry.text })
  }
}

/**
 * Whether the call may come again: a result that only asks its caller for input does so with the
 * answer, and what was refused before it reached the tool when there is room.
 */
function isUnfinished({ result, error }: JsonObject): boolean {
  if (isJsonObject(error)) return ranNever(readRefusal(error.data)?.code)
  if (!isJsonObject(result)) return false
  const { resultType } = result
  return resultType !== undefined && resultType !== 'complete'
}

function digestOf(call: unknown): string {
  return createHash('sha256').update(JSON.stringify(call)).digest('base64url')
}
