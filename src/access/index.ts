/**
 * Floor 3. Who may do what, how often, and what it costs them.
 *
 * In: a peer and an action, from every handler. Out: nothing, or an error that says why not.
 * Start reading at `policy.ts`.
 */

export { AccessPolicy, type AccessPolicyDeps } from './access-policy.ts'
export { type AccessConfig, accessConfig } from './config.ts'
export { AccessError } from './errors.ts'
export { type AccessMetrics, accessMetrics } from './metrics.ts'
export { ACTIONS, type Action, type Policy } from './policy.ts'
export { hasWork, solveWork, WORK_BITS_MAX } from './work.ts'
