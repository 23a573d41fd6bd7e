/**
 * The site of a peer: the network that its address is part of, as far as one holder reaches.
 *
 * Ids cost nothing and addresses cost a little: whoever rents a server has one, whoever rents a
 * network has some thousands side by side. So what counts peers counts them by /16 of IPv4 and by
 * /32 of IPv6, as go-libp2p does. Only public addresses say anything: behind a router, in one
 * house or on one machine everybody is a neighbour, and nobody outside can pretend to be there.
 */

import { hasCode, RecentMap } from '../base/index.ts'
import { groupOf, scopeOf } from '../ip/index.ts'

const SITE_BITS = { v4: 16, v6: 32 }

/** The site of a host's IP address; `undefined` when it is not public, or not known. */
export function siteOf(host: string | undefined): string | undefined {
  if (host === undefined) return undefined
  const known = sites.get(host)
  if (known !== undefined) return known.site
  const site = readSite(host)
  sites.set(host, { site })
  return site
}

function readSite(host: string): string | undefined {
  try {
    return scopeOf(host) === 'global' ? groupOf(host, SITE_BITS) : undefined
  } catch (error) {
    // A name, or an address with a zone: neither says where in the world it is.
    if (hasCode(error, 'IP_ADDRESS_INVALID')) return undefined
    throw error
  }
}

/** Reading an address takes longer than answering the question that came from it. */
const sites = new RecentMap<string, { readonly site: string | undefined }>(8_192)
