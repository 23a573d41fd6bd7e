/**
 * Files of a data folder that commands read or name without a node (`docs/contract.md`). The node
 * has these names too, but behind a door that loads the whole network.
 */

export const KEY_FILE = 'identity.key'
export const LOCK_FILE = 'lock.sqlite'
export const RUN_FILE = 'node.json'
export const CONFIG_FILE = 'config.toml'
