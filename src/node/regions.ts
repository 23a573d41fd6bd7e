/**
 * The regions in which a network of agents has first peers. We know their names and run none of
 * them: whoever does writes its address down, and a node then tries it beside `bootstrap.nodes`.
 */

export const REGION_ADDRESSES_MAX = 16

/** Where each region is, by its key in `[bootstrap]`. */
export const PLACES = {
  usEastVirginia: 'US East (Virginia)',
  usWestOregon: 'US West (Oregon)',
  euWestAmsterdam: 'EU West (Amsterdam)',
  seaSingapore: 'SEA (Singapore)',
} as const

export type Region = keyof typeof PLACES

/** The regions' keys in the code. */
export const REGIONS = Object.keys(PLACES) as readonly Region[]

type First = { readonly nodes: readonly string[] } & Readonly<Record<Region, readonly string[]>>

/** Every first peer that is configured, each once: those named alone, then region by region. */
export function firstPeers(bootstrap: First): readonly string[] {
  return [...new Set([...bootstrap.nodes, ...REGIONS.flatMap((key) => bootstrap[key])])]
}
