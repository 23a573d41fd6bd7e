/**
 * What `find_tools` does: searches as `p2p tools` does, then asks only those peers whose tools it
 * is about to show for the whole definitions, so that a reader pays for a page and not for a
 * network.
 *
 * An answer is bounded in bytes: schemas are left out first, then the page ends early and says
 * where the next one begins. Texts of strangers are data: cleaned, cut, and labelled with whose
 * they are.
 */

import type { Clock } from '../base/index.ts'
import type { Listed, Listings } from './catalog-listing.ts'
import { placeKey, type ToolPlace } from './catalog-names.ts'
import { cleanText } from './clean-text.ts'
import type { Directory } from './directory.ts'
import type { Scores } from './scores.ts'
import type { Found } from './search.ts'
import type { ToolArgs, ToolEntry, ToolResult } from './tool.ts'
import { readPeer, readWanted, type Wanted } from './tool-search.ts'
import { shapeOf } from './tool-shape.ts'

/** Where tools are looked for. */
export type FindingDirectory = Pick<Directory, 'find'> & Partial<Pick<Directory, 'ranked'>>

export interface ToolFinderDeps {
  readonly directory: FindingDirectory
  readonly listings: Pick<Listings, 'define'>
  readonly scores?: Pick<Scores, 'get'> | undefined
  /** Whether an assistant may be shown the tool. */
  readonly admits: (tool: Listed) => boolean
  readonly clock: Clock
}

/** One tool, as an assistant is shown it. */
export interface FoundTool {
  /** What `call_tool` takes. */
  readonly name: string
  readonly tool: string
  readonly service: string
  readonly peer: string
  readonly description: string
  readonly idempotent: boolean
  readonly readOnly: boolean
  /** Arguments such as `a:number!`, where a schema is as simple as that. */
  readonly args?: readonly string[]
  readonly tags?: readonly string[]
  readonly price?: number
  readonly load?: number
  /** Of calls to its peer so far, where there were any. */
  readonly measured?: { readonly roundTripMs?: number; readonly success: number }
  readonly inputSchema?: object
  readonly outputSchema?: object
  /** Asked for, but too long for this answer: ask for this tool alone. */
  readonly schemaOmitted?: true
}

/** Of one answer; it is said twice, as text and as structured content. */
export const FOUND_BYTES_MAX = 48 * 1_024
const DESCRIPTION_CHARS_MAX = 400
const FIND_TIMEOUT_MS = 2_000
/** Whoever has not answered by then is left out of the page, and counted. */
const DEFINE_TIMEOUT_MS = 2_000

export class ToolFinder {
  readonly #deps: ToolFinderDeps

  constructor(deps: ToolFinderDeps) {
    this.#deps = deps
  }

  async find(args: ToolArgs, signal: AbortSignal | undefined): Promise<ToolResult> {
    const wanted = readWanted(args)
    const { directory } = this.#deps
    const { query, after, limit } = wanted
    const options = { ...(signal && { signal }), timeoutMs: FIND_TIMEOUT_MS }
    const found = await directory.find(query, options)
    const all = this.#inOrder(found, wanted)
    const page = all.slice(after, after + limit)
    const listed = await this.#define(page, found, signal)
    const rows: FoundTool[] = []
    const hidden = { withheld: 0, silent: 0 }
    let bytes = 0
    let seen = 0
    for (const entry of page) {
      const tool = listed.get(placeKey(entry))
      const isShown = tool !== undefined && this.#deps.admits(tool)
      if (isShown) {
        const row = fitting(this.#row(entry, tool, wanted.schemas), FOUND_BYTES_MAX - bytes)
        if (row === undefined && rows.length > 0) break
        if (row !== undefined) rows.push(row)
        bytes += row === undefined ? 0 : bytesOf(row)
      } else hidden[tool === undefined ? 'silent' : 'withheld'] += 1
      seen += 1
    }
    return answerOf(rows, { matching: all.length, next: after + seen, ...hidden })
  }

  /** One tool of which everything is said, asked of the peer that has it. */
  async at(
    { tool, service, peer }: { tool?: string; service?: string; peer?: string },
    signal: AbortSignal | undefined,
  ): Promise<Listed | undefined> {
    if (tool === undefined || service === undefined || peer === undefined) return undefined
    const place = { tool, service, peer: readPeer(peer) }
    using deadline = this.#deps.clock.deadline(DEFINE_TIMEOUT_MS, signal)
    const is = (each: ToolPlace) => placeKey(each) === placeKey(place)
    const remotes = [{ ...place, schemaHash: '' }]
    const [listed] = await this.#deps.listings.define(remotes, is, deadline.signal)
    signal?.throwIfAborted()
    return listed
  }

  /** Words are found in the order in which they fit; the rest as calls would try them. */
  #inOrder({ entries }: Found, { query, tags }: Wanted): readonly ToolEntry[] {
    const having = entries.filter((entry) => tags.every((tag) => entry.tags?.includes(tag)))
    const { directory } = this.#deps
    return query.text === undefined ? (directory.ranked?.(having) ?? having) : having
  }

  /** The whole definitions of a page's tools, from those who answer in time. */
  async #define(
    page: readonly ToolEntry[],
    { services }: Found,
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, Listed>> {
    using deadline = this.#deps.clock.deadline(DEFINE_TIMEOUT_MS, signal)
    const remotes = new Map(
      page.map(({ peer, service }) => {
        const known = services.find((one) => one.peer === peer && one.service === service)
        return [`${peer}/${service}`, known ?? { peer, service, schemaHash: '' }]
      }),
    )
    const wanted = new Set(page.map(placeKey))
    const is = (place: ToolPlace) => wanted.has(placeKey(place))
    const listed = await this.#deps.listings.define([...remotes.values()], is, deadline.signal)
    signal?.throwIfAborted()
    return new Map(listed.map((tool) => [placeKey(tool.shown), tool]))
  }

  #row(entry: ToolEntry, { shown }: Listed, schemas: boolean): FoundTool {
    const { tags, price, load } = entry
    const { name, tool, service, peer, idempotent, readOnly, inputSchema, outputSchema } = shown
    const score = this.#deps.scores?.get(peer)
    const args = shapeOf(inputSchema)
    const description = cleanText(shown.description, DESCRIPTION_CHARS_MAX)
    const measured = score && {
      ...(score.latencyMs !== undefined && { roundTripMs: Math.round(score.latencyMs) }),
      success: Math.round(100 * (score.success ?? 1)) / 100,
    }
    return {
      ...{ name, tool, service, peer, description, idempotent, readOnly },
      ...(args !== null && { args }),
      ...(tags !== undefined && { tags }),
      ...(price !== undefined && { price }),
      ...(load !== undefined && { load }),
      ...(measured && { measured }),
      ...(schemas && { inputSchema, ...(outputSchema && { outputSchema }) }),
    }
  }
}

/** The row as far as there is room for it: whole, without its schemas, or not at all. */
function fitting(row: FoundTool, bytesMax: number): FoundTool | undefined {
  if (bytesOf(row) <= bytesMax) return row
  const { inputSchema, outputSchema: _, ...rest } = row
  const short = inputSchema === undefined ? rest : { ...rest, schemaOmitted: true as const }
  return bytesOf(short) <= bytesMax ? short : undefined
}

function bytesOf(row: FoundTool): number {
  return Buffer.byteLength(JSON.stringify(row)) + 1
}

interface Counts {
  readonly matching: number
  /** Where the next page begins, if there is one. */
  readonly next: number
  readonly withheld: number
  readonly silent: number
}

function answerOf(tools: readonly FoundTool[], counts: Counts): ToolResult {
  const { matching, next, withheld, silent } = counts
  const structuredContent = {
    tools: tools.map((tool) => ({ ...tool })),
    matching,
    ...(next < matching && { next }),
    ...(withheld > 0 && { withheld }),
    ...(silent > 0 && { silent }),
  } as unknown as NonNullable<ToolResult['structuredContent']>
  return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent }
}
