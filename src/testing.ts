/**
 * `import 'p2p-foundation/testing'`: whole nodes for the tests of whoever builds on this, over real
 * sockets on loopback (`testnet`), or many of them on a simulated network (`simulate`).
 */

export { type TestNet, type TestNetOptions, testnet } from './node/index.ts'
export {
  type AddOptions,
  type Condition,
  EPOCH_MS,
  EVENT_KINDS,
  type EventKind,
  type Fault,
  type GrowOptions,
  LINK,
  type LinkConfig,
  NAT_KINDS,
  type NatKind,
  type SimHost,
  SimNetwork,
  SimNode,
  type SimNodeOptions,
  type SimRandom,
  Simulation,
  type SimulationOptions,
  simRandom,
  simulate,
  TestingError,
  Trace,
  VirtualTime,
} from './testing/index.ts'
