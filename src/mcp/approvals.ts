/**
 * What each tool of another peer said of itself when it was approved, so that a tool cannot change
 * its words, its schema or its hints behind the reader who trusted them ("rug pull").
 *
 *   first-use   the first definition that an assistant is shown, or calls, is the approved one
 *   ask         none is, until a person approves it by name
 *
 * A definition that differs from the approved one is neither listed nor called until it is approved
 * again. Entries are bounded, in all and for each peer, and peers push none out: beyond the bound a
 * person approves by name, and then the oldest makes room.
 *
 *   { "v": 1, "tools": [[place, hash], …], "pinned": [place, …] }
 */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hasCode, type Logger, writeWhole } from '../base/index.ts'
import { isJsonObject, type Json, parseJson } from '../wire/index.ts'
import { placeKey, type ToolPlace } from './catalog-names.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import type { PlacedTool } from './remote-tools.ts'
import type { ToolInfo } from './tool.ts'

/** `new` tools may be shown or not, by the policy; `changed` ones never are. */
export type Verdict = 'approved' | 'new' | 'changed'

export interface ApprovalsDeps {
  /** Where they are kept; null keeps them in memory only. */
  readonly path: string | null
  readonly log: Logger
}

export type ApprovalsConfig = Pick<McpConfig, 'approve'>

const TOOLS_MAX = 8_192
const TOOLS_PER_PEER_MAX = 512
const PINS_MAX = 64
const FILE_BYTES_MAX = 8 * 1024 * 1024
const VERSION = 1

export class Approvals {
  readonly #deps: ApprovalsDeps
  readonly #config: ApprovalsConfig
  /** The hash of the approved definition by place; the least recently approved first. */
  readonly #hashes = new Map<string, string>()
  readonly #perPeer = new Map<string, number>()
  readonly #pinned = new Set<string>()
  #saved: Promise<void> = Promise.resolve()
  #dirty = false

  constructor(deps: ApprovalsDeps, config: ApprovalsConfig) {
    this.#deps = deps
    this.#config = config
  }

  /** Reads what was kept. A file that cannot be read is an error: forgetting would approve anew. */
  async load(): Promise<void> {
    const { path } = this.#deps
    if (path === null) return
    const text = await readText(path)
    if (text === undefined) return
    const { tools, pinned } = readFileText(path, text)
    for (const [key, hash] of tools) this.#set(key, hash)
    for (const key of pinned) this.#pinned.add(key)
  }

  /** Resolves when everything is on disk. */
  async stop(): Promise<void> {
    await this.#saved
  }

  /** Whether a definition of the tool in this place was approved, whatever it says now. */
  isKnown(place: ToolPlace): boolean {
    return this.#hashes.has(placeKey(place))
  }

  /** What is known of this definition; asking changes nothing. */
  verdict(tool: PlacedTool): Verdict {
    const known = this.#hashes.get(keyOf(tool))
    if (known === undefined) return 'new'
    return known === hashOf(tool.info) ? 'approved' : 'changed'
  }

  /** What `admits` would come to, without approving anything. */
  outlook(tool: PlacedTool): Verdict {
    const verdict = this.verdict(tool)
    const isOpen = this.#config.approve === 'first-use' && this.#hasRoom(tool)
    return verdict === 'new' && isOpen ? 'approved' : verdict
  }

  /** Whether an assistant may be shown the tool, or call it; under `first-use` that approves it. */
  admits(tool: PlacedTool): boolean {
    const verdict = this.verdict(tool)
    if (verdict !== 'new') return verdict === 'approved'
    if (this.#config.approve === 'ask' || !this.#hasRoom(tool)) return false
    this.#set(keyOf(tool), hashOf(tool.info))
    // What could not be kept is in the log; it holds until the node ends.
    this.#save().catch(() => undefined)
    return true
  }

  /** A person has read this definition and takes it. */
  async approve(tool: PlacedTool): Promise<void> {
    this.#set(keyOf(tool), hashOf(tool.info))
    await this.#save()
  }

  isPinned(tool: PlacedTool): boolean {
    return this.#pinned.has(keyOf(tool))
  }

  async pin(tool: PlacedTool): Promise<void> {
    if (this.#pinned.size >= PINS_MAX) throw McpError.PINS_FULL({ limit: PINS_MAX })
    this.#pinned.add(keyOf(tool))
    await this.#save()
  }

  async unpin(tool: PlacedTool): Promise<void> {
    this.#pinned.delete(keyOf(tool))
    await this.#save()
  }

  /** What is full stays as it is: whoever brings many peers would make us forget the others. */
  #hasRoom({ peer }: PlacedTool): boolean {
    return this.#hashes.size < TOOLS_MAX && (this.#perPeer.get(peer) ?? 0) < TOOLS_PER_PEER_MAX
  }

  #set(key: string, hash: string): void {
    const peer = peerOf(key)
    if (!this.#hashes.delete(key)) this.#perPeer.set(peer, (this.#perPeer.get(peer) ?? 0) + 1)
    this.#hashes.set(key, hash)
    if (this.#hashes.size <= TOOLS_MAX) return
    const [oldest = key] = [...this.#hashes.keys()].filter((one) => !this.#pinned.has(one))
    this.#hashes.delete(oldest)
    const left = (this.#perPeer.get(peerOf(oldest)) ?? 1) - 1
    if (left === 0) this.#perPeer.delete(peerOf(oldest))
    else this.#perPeer.set(peerOf(oldest), left)
  }

  /** One write after the other, and none for each of many changes that come together. */
  #save(): Promise<void> {
    const { path, log } = this.#deps
    if (path === null) return Promise.resolve()
    if (this.#dirty) return this.#saved
    this.#dirty = true
    const save = this.#saved.then(async () => {
      this.#dirty = false
      const tools = [...this.#hashes]
      await writeText(path, JSON.stringify({ v: VERSION, tools, pinned: [...this.#pinned] }))
    })
    this.#saved = save.catch((error: unknown) => log.warn('approvals not kept', { error }))
    return save
  }
}

/** Over everything that a reader or a program decides by. */
function hashOf(info: ToolInfo): string {
  const { name, description, inputSchema, outputSchema = null, idempotent, readOnly } = info
  const said = { name, description, inputSchema, outputSchema, idempotent, readOnly }
  const sorted = JSON.stringify(said, (_key, value: unknown) => {
    return isJsonObject(value) ? Object.fromEntries(Object.entries(value).toSorted(byKey)) : value
  })
  return createHash('sha256').update(sorted).digest('base64url')
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}

function keyOf({ peer, service, info }: PlacedTool): string {
  return placeKey({ peer, service, tool: info.name } satisfies ToolPlace)
}

function peerOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}

interface Kept {
  readonly tools: readonly [string, string][]
  readonly pinned: readonly string[]
}

function readFileText(path: string, text: string): Kept {
  try {
    const value = parseJson(text, 'approvals file', { bytesMax: FILE_BYTES_MAX })
    const { v, tools, pinned } = isJsonObject(value) ? value : {}
    if (v !== VERSION || !Array.isArray(tools) || !Array.isArray(pinned)) {
      throw new TypeError(`no approvals of version ${VERSION}`)
    }
    const pairs = tools.slice(0, TOOLS_MAX).map((pair): [string, string] => {
      const [key, hash] = Array.isArray(pair) ? (pair as readonly Json[]) : []
      if (typeof key === 'string' && typeof hash === 'string') return [key, hash]
      throw new TypeError('an entry that is no pair of texts')
    })
    return { tools: pairs, pinned: pinned.slice(0, PINS_MAX).map(String) }
  } catch (error) {
    const found = error instanceof Error ? error.message : 'something unreadable'
    throw McpError.APPROVALS_FILE({ path, found }, error)
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    const found = error instanceof Error ? error.message : 'it cannot be read'
    throw McpError.APPROVALS_FILE({ path, found }, error)
  }
}

async function writeText(path: string, text: string): Promise<void> {
  try {
    await writeWhole(path, text)
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : 'an unknown reason'
    throw McpError.APPROVALS_NOT_KEPT({ path, found }, cause)
  }
}
