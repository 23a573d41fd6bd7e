/** Offering tools from a program: its own functions, or a server that somebody else wrote. */

import { hasCode } from '../base/index.ts'
import {
  type Allow,
  type Publicity,
  readExposure,
  type ServiceSpec,
  type ServiceStatus,
  type Services,
  type Tool,
} from '../mcp/index.ts'
import { UseError } from './use-errors.ts'

/** An MCP server to offer: a command spoken to over stdio, or a Streamable HTTP URL. */
export type ServerSpec =
  | {
      readonly command: string
      readonly args?: readonly string[]
      /** Where it runs; the folder of this process unless given. */
      readonly cwd?: string
      /** The variables that it gets besides the few that every program needs. */
      readonly env?: Readonly<Record<string, string>>
    }
  | { readonly url: string }

/** What is offered under one name, until it is withdrawn; `await using` withdraws it by itself. */
export interface Exposed extends AsyncDisposable {
  readonly name: string
  /** Takes it back; safe to call twice, and when it or the node is gone already. */
  withdraw(): Promise<void>
}

/** Who may use what is offered, and who hears of it: everybody unless said otherwise. */
export interface OfferOptions extends Omit<Publicity, 'secret'> {
  readonly allow?: Allow
  /** For single tools, by their names. */
  readonly tools?: Readonly<Record<string, Allow>>
  readonly signal?: AbortSignal
}

type ServicesPart = Pick<Services, 'expose' | 'exposeTools' | 'unexpose' | 'events'>

/** Resolves once the tools can be called. */
export async function offer(
  services: ServicesPart,
  name: string,
  { what, ...options }: OfferOptions & { readonly what: readonly Tool[] | ServerSpec },
): Promise<Exposed> {
  const { signal, allow, tools, tags, visibility, price } = options
  const publicity = {
    ...(tags && { tags }),
    ...(visibility && { visibility }),
    ...(price !== undefined && { price }),
  }
  const told = Object.keys(publicity).length === 0 ? {} : { publicity }
  const given = { allow: allow ?? 'public', ...(tools && { tools }) }
  const exposure = allow === undefined && !tools ? {} : { exposure: readExposure(given) }
  signal?.throwIfAborted()
  if (isTools(what)) services.exposeTools(name, what, exposure.exposure, publicity)
  else {
    const spec = { ...specOf(name, what), ...exposure, ...told }
    await services.expose(spec, { detached: false, ...(signal && { signal }) })
  }
  return withdrawable(services, name)
}

/** Somebody else may withdraw it and take the name: then it is no more ours to withdraw. */
function withdrawable(services: ServicesPart, name: string): Exposed {
  let ours = true
  const off = services.events.on('servicesChanged', (now) => {
    if (isListed(now.services, name)) return
    ours = false
    off()
  })
  const withdraw = async () => {
    if (!ours) return
    ours = false
    off()
    await services.unexpose(name).catch((error: unknown) => {
      // Whoever stops or withdraws it at this moment has done it for us.
      if (!hasCode(error, 'MCP_SERVICE_UNKNOWN')) throw error
    })
  }
  return { name, withdraw, [Symbol.asyncDispose]: withdraw }
}

function isListed(services: readonly ServiceStatus[], name: string): boolean {
  return services.some((service) => service.name === name)
}

function specOf(name: string, given: ServerSpec): ServiceSpec {
  if (has(given, 'url')) return { name, source: { kind: 'http', url: given.url } }
  if (has(given, 'command')) {
    const { command, args = [], cwd = process.cwd(), env = {} } = given
    return { name, source: { kind: 'stdio', command, args, cwd, env } }
  }
  throw UseError.OFFER_INVALID({ service: name, found: typeof given })
}

/** Programs in plain JavaScript hand in anything, so the types are not believed here. */
function has<Key extends 'url' | 'command'>(
  given: ServerSpec,
  key: Key,
): given is Extract<ServerSpec, Record<Key, string>> {
  return Object(given) === given && key in given
}

function isTools(what: readonly Tool[] | ServerSpec): what is readonly Tool[] {
  return Array.isArray(what)
}
