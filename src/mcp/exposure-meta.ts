/**
 * What a request says of the right to make it, in `params._meta`: tokens, and for whom it is made.
 *
 *   p2p-foundation/grant   at most 4 capability tokens, base64url, each at most 4,096 characters
 *   p2p-foundation/chain   at most 8 peer ids: those for whom the caller calls, the first who asked
 *                          first; left out where it calls for itself
 */

import { TOKEN_CHARS_MAX, TOKENS_MAX } from '../access/index.ts'
import { hasCode } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { isJsonObject, type Json, type JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'
import {
  CHAIN_META,
  encodeMessage,
  GRANT_META,
  INVITED_META,
  KEY_META,
  parseFrame,
} from './protocol.ts'

const CHAIN_MAX = 8
/**
 * A key may be written with escapes as well; those of usual texts, as of line feeds, are not asked.
 */
const ESCAPES = ['\\/', '\\u']
const NEEDLES = [GRANT_META, CHAIN_META, KEY_META, INVITED_META, ...ESCAPES].map((key) => {
  return Buffer.from(key)
})

/** The part of `_meta` that shows these tokens; none where there is nothing to show. */
export function rightsMeta(tokens: readonly string[], chain: readonly PeerId[]): JsonObject {
  if (chain.length > CHAIN_MAX) {
    throw McpError.REQUEST_INVALID({ found: `a call that came through ${chain.length} nodes` })
  }
  return {
    ...(tokens.length === 0 ? {} : { [GRANT_META]: tokens.slice(0, TOKENS_MAX) }),
    ...(chain.length === 0 ? {} : { [CHAIN_META]: chain }),
  }
}

/** The tokens that a request shows; throws where they are not of our form. */
export function tokensIn(meta: Json | undefined): readonly string[] {
  const tokens = isJsonObject(meta) ? (meta[GRANT_META] ?? []) : []
  const isToken = (token: Json) => typeof token === 'string' && token.length <= TOKEN_CHARS_MAX
  if (Array.isArray(tokens) && tokens.length <= TOKENS_MAX && tokens.every(isToken)) {
    return tokens as readonly string[]
  }
  throw McpError.REQUEST_INVALID({ found: `a ${GRANT_META} that is no list of 4 tokens at most` })
}

/** For whom a request is made; throws where that is not of our form. */
export function chainIn(meta: Json | undefined): readonly PeerId[] {
  const chain = isJsonObject(meta) ? (meta[CHAIN_META] ?? []) : []
  const found = `a ${CHAIN_META} that is no list of ${CHAIN_MAX} peer ids at most`
  if (!Array.isArray(chain) || chain.length > CHAIN_MAX) throw McpError.REQUEST_INVALID({ found })
  return (chain as readonly Json[]).map((peer) => {
    try {
      if (typeof peer === 'string') return peerId(peer)
    } catch (error) {
      if (!hasCode(error, 'IDENTITY_PEER_ID_INVALID')) throw error
    }
    throw McpError.REQUEST_INVALID({ found })
  })
}

/** The frame as somebody else's server is given it: without tokens, chain, proof and key. */
export function withoutRights(frame: Uint8Array): Uint8Array {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
  if (!NEEDLES.some((needle) => bytes.includes(needle))) return frame
  const value = parseFrame(frame)
  const { params } = value
  if (!isJsonObject(params) || !isJsonObject(params._meta)) return frame
  const ours: ReadonlySet<string> = new Set([GRANT_META, CHAIN_META, KEY_META, INVITED_META])
  const meta = Object.fromEntries(Object.entries(params._meta).filter(([key]) => !ours.has(key)))
  return encodeMessage({ ...value, params: { ...params, _meta: meta } })
}
