/**
 * Floor 7. One node put together from its rooms, and the configuration that says how.
 *
 * In: a configuration and a data folder. Out: the node, its shapes and its health.
 * Start reading at `load-config.ts` for the keys.
 */

export {
  type ControlConfig,
  controlConfig,
  type NodeConfig,
  type NodeOptions,
  nodeConfig,
  PRESETS,
  type Preset,
} from './config.ts'
export { DataDir, KEY_FILE, openDataDir, TOKEN_FILE } from './data-dir.ts'
export { effectiveToml } from './effective-toml.ts'
export { NodeError } from './errors.ts'
export { assess, type HealthFacts } from './health.ts'
export {
  CONFIG_FILE,
  checkPeerId,
  type LoadedConfig,
  loadConfig,
  type ResolvedConfig,
  resolveOptions,
} from './load-config.ts'
export {
  type CallTarget,
  createNode,
  Node,
  type NodeDeps,
  openNode,
} from './node.ts'
export type { RunFile } from './run-file.ts'
export type { Environment, Flags } from './settings.ts'
export type {
  Facility,
  GetReport,
  HealthReport,
  NodeStatus,
  PeerStatus,
  PutReport,
} from './shapes.ts'
