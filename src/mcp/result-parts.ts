/**
 * Results above one frame, for MCP clients that are no node of ours: they know nothing of our
 * stream of parts, and most refuse messages of many mebibytes. The result goes into this node's
 * store as it comes, and the client is given its beginning, and a link that `resources/read` reads
 * a part at a time:
 *
 *   p2p-foundation:result/<32 hex digits>?part=<n>     a mebibyte of text; n from 0
 *
 * Joined, the parts are the JSON of the tool's whole `result`; none is cut within a character.
 */

import { fromUtf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { FRAME_BYTES_MAX } from './protocol.ts'
import { type KeptResult, linkedResult, linkTo } from './result-protocol.ts'
import type { LargeResult } from './result-reader.ts'
import type { ResultStore } from './result-store.ts'
import type { ToolResult } from './tool.ts'
import { textChars } from './transport.ts'

export interface ResultPartsDeps {
  readonly store: Pick<ResultStore, 'open' | 'keep' | 'find' | 'read'>
  /** In whose name this node keeps them. */
  readonly self: PeerId
}

/** What `resources/read` answers with. */
export interface ResultPart {
  readonly uri: string
  readonly mimeType: string
  readonly text: string
}

const PART_BYTES = 1_024 * 1_024
/** How far into the next part a character may reach. */
const CHARACTER_BYTES_MAX = 4
const PREVIEW_BYTES = 2_048
const PARTS_META = 'p2p-foundation/parts'
const URI = /^p2p-foundation:result\/([0-9a-f]{32})(?:\?part=([0-9]{1,6}))?$/

/** Whether `resources/read` of this URI is ours to answer. */
export function isPartUri(uri: unknown): uri is string {
  return typeof uri === 'string' && URI.test(uri)
}

export class ResultParts {
  readonly #deps: ResultPartsDeps

  constructor(deps: ResultPartsDeps) {
    this.#deps = deps
  }

  /** Keeps a result that comes in parts; resolves once all of it is here and has its hash. */
  async keep({ parts, isError }: Pick<LargeResult, 'parts' | 'isError'>): Promise<ToolResult> {
    const { store, self } = this.#deps
    const writer = await store.open(self)
    try {
      for await (const part of parts) await writer.write(part)
      return await this.#standIn(await writer.finish(), isError)
    } catch (error) {
      await writer.drop()
      throw error
    }
  }

  /** A result that is in memory, as it is or, where it is above one frame, as `keep` gives it. */
  async fit(result: ToolResult): Promise<ToolResult> {
    if (textChars(result) <= FRAME_BYTES_MAX) return result
    const { store, self } = this.#deps
    const said = (await store.keep(self, result)) as ToolResult
    const kept = linkedResult(said.content)
    return kept === undefined ? result : this.#standIn(kept, result.isError)
  }

  /** One part; throws where the result is not kept any more, or has no such part. */
  async read(uri: string): Promise<ResultPart> {
    const [, id = '', part = '0'] = URI.exec(uri) ?? []
    const { store, self } = this.#deps
    const { size } = store.find(self, id)
    const from = Number(part) * PART_BYTES
    if (from >= size) {
      throw McpError.RESULT_UNKNOWN({ found: `it has ${partsOf(size)} parts, counted from 0` })
    }
    const bytes = await this.#bytes(id, from, PART_BYTES + CHARACTER_BYTES_MAX)
    const start = from === 0 ? 0 : characterAt(bytes, 0)
    const end = bytes.length <= PART_BYTES ? bytes.length : characterAt(bytes, PART_BYTES)
    return { uri, mimeType: 'application/json', text: fromUtf8(bytes.subarray(start, end)) }
  }

  async #standIn(kept: KeptResult, isError: boolean | undefined): Promise<ToolResult> {
    const { id, size } = kept
    const head = await this.#bytes(id, 0, PREVIEW_BYTES + CHARACTER_BYTES_MAX)
    const end = head.length <= PREVIEW_BYTES ? head.length : characterAt(head, PREVIEW_BYTES)
    const uri = `p2p-foundation:result/${id}`
    const parts = partsOf(size)
    const text =
      `The result is ${size} bytes of JSON, more than is sent at once. Read it within five ` +
      `minutes as resources ${uri}?part=0 to ?part=${parts - 1}, and join them. It begins:\n` +
      fromUtf8(head.subarray(0, end))
    const link = linkTo(kept)
    const meta = { ...(link._meta as JsonObject), [PARTS_META]: parts }
    return {
      content: [
        { type: 'text', text },
        { ...link, uri: `${uri}?part=0`, _meta: meta },
      ],
      ...(isError === true && { isError }),
    }
  }

  async #bytes(id: string, from: number, count: number): Promise<Uint8Array> {
    const { store, self } = this.#deps
    // The first piece is all that is asked for: the store reads no further.
    for await (const piece of store.read(self, id, from, count)) return piece
    throw McpError.RESULT_UNKNOWN({ found: 'nothing where it should go on' })
  }
}

function partsOf(size: number): number {
  return Math.ceil(size / PART_BYTES)
}

/** Where the next character begins, at `at` or a little behind. */
function characterAt(bytes: Uint8Array, at: number): number {
  let next = at
  while (next < bytes.length && ((bytes[next] ?? 0) & 0xc0) === 0x80) next += 1
  return next
}
