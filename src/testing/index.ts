/**
 * Floor 8. Worlds to test nodes in: whole nodes on a simulated network, in virtual time.
 *
 * In: a seed and what shall happen. Out: the same run every time. Start reading at `simulation.ts`,
 * then `virtual-time.ts` for how time moves and `sim-network.ts` for what a link is.
 */

export { TestingError } from './errors.ts'
export type { Fault } from './faults.ts'
export { NAT_KINDS, type NatKind } from './nat.ts'
export { type SimRandom, simRandom } from './seed.ts'
export { type Condition, LINK, type LinkConfig, type SimHost, SimNetwork } from './sim-network.ts'
export { SimNode, type SimNodeOptions } from './sim-node.ts'
export {
  type AddOptions,
  type GrowOptions,
  Simulation,
  type SimulationOptions,
  simulate,
} from './simulation.ts'
export { EVENT_KINDS, type EventKind, Trace } from './trace.ts'
export { EPOCH_MS, VirtualTime } from './virtual-time.ts'
