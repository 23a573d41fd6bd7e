/**
 * Floor 7. One node put together from its rooms, and the configuration that says how.
 *
 * In: a configuration and a data folder. Out: the node, its shapes and its health.
 * Start reading at `load-config.ts` for the keys.
 */

export { type RegistrySettings, registrySettings } from './agent-registry.ts'
export type { CallTarget } from './call-peer.ts'
export { compose, type Given, type Machine, type Parts } from './compose.ts'
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
export { type Edited, editConfig } from './edit-config.ts'
export { effectiveToml, valueIn } from './effective-toml.ts'
export { NodeError } from './errors.ts'
export type { DelegateOptions, GrantOptions } from './grant-parts.ts'
export { assess, type HealthFacts } from './health.ts'
export type { Injected, InjectedSigner, NodeDht } from './injected.ts'
export {
  CONFIG_FILE,
  checkPeerId,
  forgetSecrets,
  type LoadedConfig,
  loadConfig,
  type ResolvedConfig,
  resolveOptions,
} from './load-config.ts'
export { Node } from './node.ts'
export { P2PNode, P2PNodeBuilder } from './node-builder.ts'
export type { OneTool } from './node-tool.ts'
export type { Exposed, OfferOptions, ServerSpec } from './offer.ts'
export { createNode, type NodeDeps, openNode } from './open-node.ts'
export {
  McpConfig,
  NetworkConfig,
  P2PConfig,
  P2PConfigBuilder,
  SecurityConfig,
  TunnelingConfig,
} from './p2p-config.ts'
export { type IdentityReport, PEER_IDENTITY_TOPIC } from './peer-identities.ts'
export { ipv6EndpointsOf, type PeerIdentity } from './peer-identity.ts'
export type { ClaimReport, NameClaim, NameReport } from './peer-names.ts'
export type { PlugIn, PlugInContext } from './plug-ins.ts'
export type { Changes, Reconfigured } from './reconfigure.ts'
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
export { type TestNet, type TestNetOptions, testnet } from './test-net.ts'
export type { ToolsEvents } from './tools/events.ts'
export type { Received } from './tools/inbox.ts'
export type { TopicLimits, TopicSchema } from './topics.ts'
