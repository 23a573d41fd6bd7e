/** What both tiers of the gossip scenarios have in common. */

/** One way, as between two continents. */
export const ONE_WAY_MS = 50
export const HEARTBEAT_MS = 1_000
/** Rings through all nodes in random order, so that each is connected to twice as many. */
export const RINGS = 3
/** What a message carries besides its number. */
export const PADDING = 'x'.repeat(400)
