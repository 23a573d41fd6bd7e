/**
 * A plain line to one service, at this node or at another: frames go to its server as they are
 * given and come back as it said them. What the catalog does for a reader (names of its own, whose
 * a tool is, approvals) is not done here: who opens a line has named the service that they trust.
 */

import type { Transport } from '@modelcontextprotocol/client'
import type { PeerId } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import { ByteBudget } from './byte-budget.ts'
import type { Directory } from './directory.ts'
import { McpError } from './errors.ts'
import { type HeldRights, rightsFor } from './exposure-held.ts'
import { LargeLine, type LargeLineDeps } from './large-line.ts'
import { FRAME_BYTES_MAX, mcpProtocol, SERVICE_META } from './protocol.ts'
import type { Services } from './services.ts'
import { ChannelTransport } from './transport.ts'

/** Which service, and at whom; without a peer, our own of that name or else the nearest. */
export interface ServicePlace {
  readonly service: string
  readonly peer?: PeerId | undefined
}

/** What it shows it chooses anew for each request. */
export interface ServiceLinksDeps extends HeldRights {
  readonly host: Pick<Host, 'self' | 'open'>
  readonly services: Pick<Services, 'get' | 'openSession'>
  readonly directory: Pick<Directory, 'lookup'>
  readonly network: string
  /** Reads results above one frame for clients that cannot; without it, they get the link alone. */
  readonly large?: Pick<LargeLineDeps, 'whole' | 'parts'>
}

/** What all lines together may hold back for services that do not read. */
const WAITING_BYTES_MAX = 4 * FRAME_BYTES_MAX

/** Opens lines to services, wherever they are. */
export class ServiceLinks {
  readonly #deps: ServiceLinksDeps
  readonly #budget = new ByteBudget(WAITING_BYTES_MAX)

  constructor(deps: ServiceLinksDeps) {
    this.#deps = deps
  }

  /** Opens a line; the server behind it is this line's own, as far as the service has several. */
  async open({ service, peer }: ServicePlace, signal: AbortSignal): Promise<Transport> {
    const { host, services, network } = this.#deps
    const at = peer ?? (await this.#whereIs(service, signal))
    const budget = this.#budget
    if (at === host.self) {
      return new ChannelTransport(await services.openSession(service, at), { budget })
    }
    const channel = await host.open(at, mcpProtocol(network), { signal })
    const rights = rightsFor({ peer: at, service }, this.#deps)
    const firstMeta = { ...rights, [SERVICE_META]: service }
    const line = this.#granted(new ChannelTransport(channel, { budget, firstMeta }), at, service)
    const { large } = this.#deps
    return large === undefined ? line : new LargeLine(line, { peer: at, service, ...large })
  }

  /** Each request shows what this node was granted for it. */
  #granted(line: ChannelTransport, peer: PeerId, service: string): ChannelTransport {
    const send = line.send.bind(line)
    line.send = (message) => {
      if (!('method' in message) || !('id' in message)) return send(message)
      const name = message.method === 'tools/call' ? message.params?.name : undefined
      const target = { peer, service, ...(typeof name === 'string' ? { tool: name } : {}) }
      const rights = rightsFor(target, this.#deps)
      if (Object.keys(rights).length === 0) return send(message)
      const meta = { ...message.params?._meta, ...rights }
      return send({ ...message, params: { ...message.params, _meta: meta } })
    }
    return line
  }

  async #whereIs(service: string, signal: AbortSignal): Promise<PeerId> {
    const { host, services, directory } = this.#deps
    if (services.get(service) !== undefined) return host.self
    const { entries, asked, failed } = await directory.lookup({ service }, { signal })
    const [first] = entries
    if (first !== undefined) return first.peer
    throw McpError.SERVICE_NOT_FOUND({ service, asked, silent: failed.length })
  }
}
