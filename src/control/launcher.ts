/**
 * `p2p-foundation/launcher`: a node as a process of its own, driven over its standard input and
 * output, so that a program has an agent in the network and none of its load.
 *
 * `P2PNode` owns the process: it starts it, starts it again with pauses that grow when it ends by
 * itself, joins the network again as before, and ends it. A command whose answer was still missing
 * then is not repeated: it may have been done. `Agent` is what speaks through a node.
 */

export type { AttachOptions } from './launch-attached.ts'
export { LaunchError } from './launch-errors.ts'
export type { LaunchState } from './launch-keeper.ts'
export type {
  AgentDelivery,
  AgentEvents,
  AgentMessage,
  SendOptions,
} from './launch-links.ts'
export type { LaunchCommand, Spawn } from './launch-process.ts'
export { Agent, type AgentOptions, type CallOptions } from './launched-agent.ts'
export {
  type ConnectOptions,
  P2PNode,
  type P2PNodeEvents,
  type P2PNodeOptions,
} from './launched-node.ts'
export type { LaunchEvent, LaunchEventOf } from './shapes/launch/api.ts'
