/**
 * What one stream of a peer may ask of the services of this node, request by request.
 *
 * Looked at before anything is started or handed on: a stream opens only for who may use something
 * of its service, a call passes only with the right to it, and a list of tools is cut to what its
 * reader may call. What a service that is not public is handed is written anew from what was
 * checked, because parsers differ in what they make of a key that comes twice.
 */

import {
  AccessError,
  type Claims,
  type Counting,
  type GrantCall,
  type Granted,
} from '../access/index.ts'
import type { PeerId } from '../identity/index.ts'
import { isJsonObject, type Json, type JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { allowOf, allows, type Exposure, isPublic, opensTo, PUBLIC } from './exposure.ts'
import { chainIn, tokensIn } from './exposure-meta.ts'
import {
  encodeMessage,
  FRAME_BYTES_MAX,
  OUTCOME_METHOD,
  type RpcId,
  type RpcMessage,
  refusalFrame,
} from './protocol.ts'
import { linkedResult } from './result-protocol.ts'

/** What decides over grants: `access` has it, and without it there are none. */
export interface GrantGate {
  authorise(call: GrantCall, tokens: readonly string[], counting?: Counting): Granted
  rightsOf(peer: PeerId, tokens: readonly string[]): readonly Claims[]
}

/** For a node that gives none. */
export const NO_GRANTS: GrantGate = {
  authorise: ({ peer, service, tool }) => {
    throw AccessError.GRANT_MISSING({ peer, service, tool })
  },
  rightsOf: () => [],
}

export interface StreamExposureDeps {
  readonly peer: PeerId
  readonly grants: GrantGate
  /** How a service is exposed; undefined where there is none of that name. */
  readonly exposureOf: (service: string) => Exposure | undefined
  /** Whether `meta` shows that the peer may know of it; without this, none is blinded. */
  readonly isInvited?: (service: string, meta: Json | undefined) => boolean
}

/** By what right a call was let through, for whoever is told of it. */
export interface CallRight {
  readonly service: string | null
  readonly grant: string | null
  readonly chain: readonly PeerId[]
}

type Request = RpcMessage & { readonly kind: 'request' }

const LISTS_MAX = 64
const WHOLE = '*'
/** What says nothing of the service but that it is there, or answers for the peer alone. */
const OPEN_METHODS = new Set([
  'initialize',
  'ping',
  'server/discover',
  'logging/setLevel',
  OUTCOME_METHOD,
])

export class StreamExposure {
  readonly #deps: StreamExposureDeps
  readonly #lists = new Map<RpcId, readonly string[]>()
  /** Blinded services that the stream has shown to know of. */
  readonly #known = new Set<string>()
  #service: string | undefined
  #shown: readonly string[] = []
  #opened = false

  constructor(deps: StreamExposureDeps) {
    this.#deps = deps
  }

  /** The stream belongs to a service from now on, or to all of them. */
  select(service: string | undefined): void {
    this.#service = service
  }

  /** Throws where the first message does not open the stream: no grant, and nothing for all. */
  open({ params }: Pick<Request, 'params'>): void {
    if (this.#opened) return
    const service = this.#service
    this.#shown = tokensIn(params._meta)
    if (service !== undefined) this.#learn(service, params._meta)
    const exposure = service === undefined ? undefined : this.#exposureOf(service)
    if (service !== undefined && exposure !== undefined) this.#enter(service, exposure)
    this.#opened = true
  }

  #enter(service: string, exposure: Exposure): void {
    const { peer, grants } = this.#deps
    if (opensTo(exposure, [peer])) return
    const rights = grants.rightsOf(peer, this.#shown)
    if (rights.some((right) => right.service === service)) return
    // Says what is wrong with the tokens, where it is that.
    grants.authorise({ peer, service, tool: WHOLE, args: {} }, this.#shown)
  }

  /**
   * Throws where the request may not pass; of a call, says by what right it may. A call is counted
   * by `handOn()`: one that the journal knows was, and what never reaches its tool is not.
   */
  check(message: Request, isKnown = false): CallRight | undefined {
    const { method, params, id } = message
    this.open(message)
    if (method === 'tools/call') return this.#call(params, isKnown ? 'before' : 'later')
    if (method === 'tools/list') this.#list(id, params)
    else if (!OPEN_METHODS.has(method)) this.#whole(params)
    return undefined
  }

  /** A call goes to its tool: counts it, and throws where its grant does not allow it any more. */
  handOn({ method, params }: Request): CallRight | undefined {
    return method === 'tools/call' ? this.#call(params, 'now') : undefined
  }

  /** The frame to hand on in place of one for a service that is not open to all. */
  rewritten(frame: Uint8Array, value: JsonObject): Uint8Array {
    const exposure = this.#service === undefined ? PUBLIC : this.#deps.exposureOf(this.#service)
    return exposure === undefined || isPublic(exposure) ? frame : encodeMessage(value)
  }

  /** An answer without the tools that its reader may not call; none where it may go as it is. */
  filtered(id: RpcId | null, value: JsonObject): Uint8Array | undefined {
    const tokens = id === null ? undefined : this.#lists.get(id)
    if (id === null || tokens === undefined) return undefined
    this.#lists.delete(id)
    const { result } = value
    if (!isJsonObject(result)) return undefined
    const kept = Array.isArray(result.content) ? linkedResult(result.content) : undefined
    if (kept !== undefined) {
      // What is kept for its reader cannot be cut to what it may call.
      const limit = FRAME_BYTES_MAX
      return refusalFrame(id, McpError.RESULT_TOO_LARGE({ size: kept.size, limit }))
    }
    if (!Array.isArray(result.tools)) return undefined
    const rights = this.#deps.grants.rightsOf(this.#deps.peer, tokens)
    const tools = (result.tools as readonly Json[]).filter((tool) => {
      return isJsonObject(tool) && this.#isVisible(tool.name, rights)
    })
    return encodeMessage({ ...value, result: { ...result, tools } })
  }

  #call({ name, arguments: args = {}, _meta: meta }: JsonObject, counting: Counting): CallRight {
    if (typeof name !== 'string') {
      throw McpError.REQUEST_INVALID({ found: 'the call of a tool whose name is no text' })
    }
    const [service, tool] = this.#place(name)
    const { peer, grants } = this.#deps
    const chain = chainIn(meta)
    const public_ = { service: service ?? null, grant: null, chain: [] }
    if (service !== undefined) this.#learn(service, meta, chain)
    const exposure = service === undefined ? undefined : this.#exposureOf(service)
    // Of a service that is not there, the service's own part of the code says so.
    if (service === undefined || exposure === undefined) return public_
    if (allows(allowOf(exposure, tool), [peer, ...chain])) return public_
    if (!isJsonObject(args)) throw McpError.REQUEST_INVALID({ found: 'arguments of no object' })
    const call = { peer, service, tool, args, onBehalfOf: chain }
    const { grant, chain: through } = grants.authorise(call, tokensIn(meta), counting)
    return { service, grant, chain: through }
  }

  /** Whoever may list may see: what the list holds is decided when it comes. */
  #list(id: RpcId, { _meta: meta }: JsonObject): void {
    const service = this.#service
    const exposure = service === undefined ? undefined : this.#deps.exposureOf(service)
    if (exposure !== undefined && isPublic(exposure)) return
    if (this.#lists.size >= LISTS_MAX) {
      throw McpError.BUSY({ what: 'the lists that one stream waits for', limit: LISTS_MAX })
    }
    const tokens = tokensIn(meta)
    this.#lists.set(id, tokens.length === 0 ? this.#shown : tokens)
  }

  /** Resources, prompts and whatever else a service has want a right to all of it. */
  #whole({ _meta: meta }: JsonObject): void {
    const service = this.#service
    const exposure = service === undefined ? undefined : this.#deps.exposureOf(service)
    if (service === undefined || exposure === undefined) return
    const { peer, grants } = this.#deps
    const chain = chainIn(meta)
    this.#learn(service, meta, chain)
    if (allows(exposure.allow, [peer, ...chain])) return
    const tokens = tokensIn(meta)
    const call = { peer, service, tool: WHOLE, args: {}, onBehalfOf: chain }
    grants.authorise(call, tokens.length === 0 ? this.#shown : tokens)
  }

  #isVisible(name: Json | undefined, rights: readonly Claims[]): boolean {
    const [service, tool] = this.#place(name)
    const exposure = service === undefined ? undefined : this.#exposureOf(service)
    if (service === undefined || exposure === undefined) return false
    if (allows(allowOf(exposure, tool), [this.#deps.peer])) return true
    return rights.some((right) => {
      return right.service === service && (right.tool === WHOLE || right.tool === tool)
    })
  }

  /** Whether its peer is told that there is no such service. */
  hides(service: string): boolean {
    if (this.#known.has(service)) return false
    return this.#deps.isInvited?.(service, undefined) === false
  }

  #exposureOf(service: string): Exposure | undefined {
    return this.hides(service) ? undefined : this.#deps.exposureOf(service)
  }

  /**
   * Who was invited may know of the service, and who has a grant for it. A call for others shows
   * that itself: they are not let in by what opened the stream.
   */
  #learn(service: string, meta: Json | undefined, chain: readonly PeerId[] = []): void {
    const { isInvited, grants, peer } = this.#deps
    if (chain.length === 0 ? !this.hides(service) : isInvited?.(service, undefined) !== false) {
      return
    }
    const isGranted = () => {
      return grants.rightsOf(peer, tokensIn(meta)).some((right) => right.service === service)
    }
    if (isInvited?.(service, meta) === true || isGranted()) this.#known.add(service)
    else if (this.#known.has(service)) throw McpError.SERVICE_UNKNOWN({ service, known: 0 })
  }

  /** The service and tool of a name: where the stream is for all, the name begins with one. */
  #place(name: Json | undefined): readonly [service: string | undefined, tool: string] {
    const text = typeof name === 'string' ? name : ''
    if (this.#service !== undefined) return [this.#service, text]
    const at = text.indexOf('_')
    return at > 0 ? [text.slice(0, at), text.slice(at + 1)] : [undefined, text]
  }
}
