/**
 * Floor 5. Asking one peer, and being asked: request and answer frames on a stream that stays open.
 *
 * In: streams of `/p2p-foundation/rpc/1.0.0` from `net`. Out: answers, each under a deadline.
 * Start reading at `protocol.ts`, then `server.ts` for calls we serve and `client.ts` for ours.
 */

export { RpcClient, type RpcClientDeps } from './client.ts'
export { type RpcConfig, rpcConfig } from './config.ts'
export { RpcError } from './errors.ts'
export type { Serve, ServeContext } from './methods.ts'
export { type RpcMetrics, rpcMetrics } from './metrics.ts'
export { RpcServer, type RpcServerDeps } from './server.ts'
