/**
 * Floor 4. Reaching peers: transports, addresses and limits, behind one `Host`.
 *
 * In: keys, a policy and a list of addresses to listen on. Out: channels of whole frames to peers
 * whose keys are proven. Start reading at `host.ts`, then `create-net.ts`.
 */

/** What every room wants besides a host, for a program that uses these rooms without a node. */
export { AccessPolicy, accessConfig, accessMetrics } from '../access/index.ts'
export {
  createLog,
  Registry,
  secureRandom,
  silentLog,
  startAll,
  stopAll,
  systemClock,
} from '../base/index.ts'
export { Bootstrap, type BootstrapConfig, type BootstrapDeps } from './bootstrap.ts'
export type { BootstrapAttempt, BootstrapReport } from './bootstrap-report.ts'
export {
  type ChannelConfig,
  channelConfig,
  DEFAULT_LISTEN,
  listenAddresses,
  listenIsDefault,
  type NetConfig,
  netConfig,
} from './config.ts'
export { createNet, type NetDeps } from './create-net.ts'
export { type Attempt, NetError } from './errors.ts'
export type { NetEvents } from './events.ts'
export type { Facility } from './facility.ts'
export type { CallOptions, Channel, ConnectionInfo, Host, Protocol } from './host.ts'
export type { LastingChannel } from './lasting.ts'
export { LastingChannels, type LastingChannelsDeps } from './lasting-channels.ts'
export type { Libp2pHost } from './libp2p-host.ts'
export { Mdns, type MdnsConfig, type MdnsDeps } from './mdns.ts'
export { type NetMetrics, netMetrics } from './metrics.ts'
export type { Names } from './names.ts'
export { portHolder } from './port-holder.ts'
export { PortMapper, type PortMapperDeps, portClients } from './portmap.ts'
export type { PortMapping } from './portmap-mapping.ts'
export { portsAt } from './portmap-ports.ts'
export { findRoutes } from './portmap-routes.ts'
export type { Probe } from './ports.ts'
export { loadQuic, type Quic } from './quic.ts'
export type { ReachReport } from './reach.ts'
export { type NetworkChange, NetworkWatch, type NetworkWatchDeps } from './reconnect.ts'
export type { FindRelays } from './relay-client.ts'
export type { ResourceReport } from './resource-manager.ts'
export type { ScopeReport } from './resource-scopes.ts'
export type { TransportFactory } from './transport-watch.ts'
export {
  type Address,
  compareAddresses,
  parseListenAddress,
  parseMultiaddr,
  scopeOfAddress,
} from './transports.ts'
export {
  type OpenUdp,
  openUdp,
  type PacketListener,
  type UdpEndpoint,
  type UdpPort,
  type UdpWanted,
} from './udp-port.ts'
export {
  type WantedDeps,
  type WantedEvents,
  WantedPeers,
  type WantedStatus,
} from './wanted-peers.ts'
