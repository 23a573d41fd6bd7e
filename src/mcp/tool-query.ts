/** What to look for, and whether a tool is that: the same for our own, heard and read ones. */

import type { PeerId } from '../identity/index.ts'
import { type DescribedTool, isTag } from './descriptor.ts'
import { McpError } from './errors.ts'
import type { ToolInfo } from './tool.ts'
import {
  ARGUMENTS_MAX,
  acceptsArgs,
  isArgumentName,
  isArgumentType,
  shapeOf,
  type WantedArgs,
} from './tool-shape.ts'

/** All that is given must hold; without any of it, everything is looked for. */
export interface ToolQuery {
  readonly tool?: string
  readonly service?: string
  /** Only this peer. With `service` it is asked itself for what it does not publish. */
  readonly peer?: PeerId
  readonly tag?: string
  /** Words, each of which must begin a word of what is said of the tool. */
  readonly text?: string
  /** Tools that take just these arguments: a type of JSON Schema for each name, or `any`. */
  readonly accepts?: WantedArgs
  /** What whoever offers a blinded service gave out: only that service is looked at. */
  readonly invitation?: string
}

/** A tool, and what its service says of all its tools. */
export interface Offered {
  readonly service: string
  readonly tags: readonly string[]
  readonly tool: ToolInfo | DescribedTool
}

const TEXT_CHARS_MAX = 512
const WORDS_MAX = 8
const WORD_CHARS_MAX = 64

/** Throws for a query that nothing can answer; our own user wrote it. */
export function checkQuery({ tag, text, accepts }: ToolQuery): void {
  if (tag !== undefined && !isTag(tag)) {
    throw invalid('tag', tag, 'a-z, 0-9 and "-", at most 32 characters')
  }
  if (text !== undefined && (text.length > TEXT_CHARS_MAX || wordsOf(text).length === 0)) {
    throw invalid('text', text, `one to ${WORDS_MAX} words, at most ${TEXT_CHARS_MAX} characters`)
  }
  const args = Object.entries(accepts ?? {})
  if (args.length > ARGUMENTS_MAX) {
    throw invalid('accepts', `${args.length} arguments`, `at most ${ARGUMENTS_MAX}`)
  }
  for (const [name, type] of args) {
    if (isArgumentName(name) && isArgumentType(type)) continue
    throw invalid('accepts', `${name}:${type}`, 'names with a type of JSON Schema, or "any"')
  }
}

/** Whether the tool is what is looked for; whose it is and by what right is seen to elsewhere. */
export function matches(query: ToolQuery, offered: Offered): boolean {
  const { tool, tags } = offered
  if ((query.tool ?? tool.name) !== tool.name) return false
  if (query.tag !== undefined && !tags.includes(query.tag)) return false
  if (query.accepts !== undefined) {
    const shape = argsOf(tool)
    if (shape === null || !acceptsArgs(shape, query.accepts)) return false
  }
  return query.text === undefined || matchesText(query.text, offered)
}

/** The arguments of a tool; null where the list says nothing of them. */
export function argsOf(tool: ToolInfo | DescribedTool): readonly string[] | null {
  return 'inputSchema' in tool ? shapeOf(tool.inputSchema) : tool.args
}

/** The words of a text, in lower case, as many as a search looks at. */
export function wordsOf(text: string): string[] {
  const spaced = text.normalize('NFKC').replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
  const words = spaced.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  return words.slice(0, WORDS_MAX).map((word) => word.slice(0, WORD_CHARS_MAX))
}

/** What `wordsOf` does, without the bound on how many: for the text that is searched. */
export function spaced(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
}

function matchesText(text: string, { service, tags, tool }: Offered): boolean {
  const said = spaced([tool.name, tool.description, service, ...tags].join(' '))
  const words = said.match(/[\p{L}\p{N}]+/gu) ?? []
  return wordsOf(text).every((wanted) => words.some((word) => word.startsWith(wanted)))
}

function invalid(part: string, found: string, wanted: string) {
  return McpError.QUERY_INVALID({ part, found: found.slice(0, 80), wanted })
}
