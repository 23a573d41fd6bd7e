/**
 * Names in multiaddrs become addresses: `/dnsaddr/` (libp2p addressing, "dnsaddr"), `/dns4/`,
 * `/dns6/` and `/dns/`. Whoever holds a name decides what we dial, so depth, number and time are
 * bounded.
 */

import { lookup, Resolver } from 'node:dns/promises'
import { NetError, reasonOf } from './errors.ts'
import type { CallOptions } from './host.ts'
import { type Address, type AddressHost, parseAny } from './transports.ts'

/** Asks the name system; a test answers from a table. */
export interface Names {
  /** The text records of a name. */
  texts(name: string, options: CallOptions): Promise<readonly string[]>
  addresses(name: string, family: 4 | 6 | 0, options: CallOptions): Promise<readonly string[]>
}

const DEPTH_MAX = 4
const RESULTS_MAX = 16
const QUERIES_MAX = 16
const TEXT_CHARS_MAX = 1_024

/** What `address` stands for: itself, or up to 16 addresses behind its name. */
export async function resolveAddress(
  address: Address,
  names: Names,
  options: CallOptions = {},
): Promise<readonly Address[]> {
  const found: Address[] = []
  let queries = 0
  let open: readonly Address[] = [address]
  for (let depth = 0; open.length > 0 && depth <= DEPTH_MAX; depth += 1) {
    const next: Address[] = []
    for (const one of open) {
      if (!isName(one)) found.push(one)
      else if (depth < DEPTH_MAX && queries < QUERIES_MAX) {
        queries += 1
        next.push(...(await oneStep(one, names, options)))
      }
    }
    open = next.slice(0, RESULTS_MAX)
  }
  if (found.length === 0) {
    const reason = `no address within ${DEPTH_MAX} steps and ${QUERIES_MAX} queries`
    throw NetError.NAME_UNRESOLVED({ name: address.text, reason })
  }
  return found.slice(0, RESULTS_MAX)
}

/** The system's name service: its hosts file and its resolver. */
export const systemNames: Names = {
  async texts(name, { signal }) {
    const resolver = new Resolver({ timeout: 5_000, tries: 2 })
    const cancel = () => resolver.cancel()
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      return (await resolver.resolveTxt(name)).map((parts) => parts.join(''))
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
  },

  async addresses(name, family) {
    return (await lookup(name, { family, all: true })).map(({ address }) => address)
  },
}

function isName({ host }: Address): boolean {
  return host?.kind.startsWith('dns') === true
}

async function oneStep(
  address: Address,
  names: Names,
  options: CallOptions,
): Promise<readonly Address[]> {
  const { host } = address
  if (host === undefined) return []
  try {
    options.signal?.throwIfAborted()
    if (host.kind === 'dnsaddr') return await behindDnsaddr(address, host.value, names, options)
    return await behindHost(address, host, names, options)
  } catch (cause) {
    options.signal?.throwIfAborted()
    throw NetError.NAME_UNRESOLVED({ name: address.text, reason: reasonOf(cause) }, cause)
  }
}

/** Text records `dnsaddr=<multiaddr>` under `_dnsaddr.<name>`; others' entries are passed over. */
async function behindDnsaddr(
  { peer }: Address,
  name: string,
  names: Names,
  options: CallOptions,
): Promise<readonly Address[]> {
  const texts = await names.texts(`_dnsaddr.${name}`, options)
  return texts
    .filter((text) => text.startsWith('dnsaddr=') && text.length <= TEXT_CHARS_MAX)
    .flatMap((text) => {
      const entry = tryParse(text.slice('dnsaddr='.length))
      if (entry === undefined) return []
      if (peer === undefined || entry.peer === peer) return [entry]
      return entry.peer === undefined ? [{ ...entry, peer }] : []
    })
    .slice(0, RESULTS_MAX)
}

async function behindHost(
  address: Address,
  host: AddressHost,
  names: Names,
  options: CallOptions,
): Promise<readonly Address[]> {
  const family = host.kind === 'dns4' ? 4 : host.kind === 'dns6' ? 6 : 0
  const ips = await names.addresses(host.value, family, options)
  const rest = address.text.split('/').slice(3).join('/')
  return ips.slice(0, RESULTS_MAX).flatMap((ip) => {
    const entry = tryParse(`/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/${rest}`)
    return entry === undefined ? [] : [{ ...entry, peer: address.peer }]
  })
}

function tryParse(text: string): Address | undefined {
  try {
    return parseAny(text)
  } catch {
    return undefined
  }
}
