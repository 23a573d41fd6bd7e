/**
 * Floor 3. Who may do what, how often, and what it costs them.
 *
 * In: a peer and an action, from every handler. Out: nothing, or an error that says why not.
 * Start reading at `policy.ts`.
 */

export { AccessPolicy, type AccessPolicyDeps } from './access-policy.ts'
export { type AuditEntry, AuditLog } from './audit.ts'
export {
  attenuateCapability,
  type Capability,
  issueCapability,
  openCapability,
} from './capability.ts'
export type { Claims, Narrowing } from './capability-claims.ts'
export { TOKEN_CHARS_MAX } from './capability-codec.ts'
export { type ArgRule, ruleText } from './capability-rules.ts'
export { type AccessConfig, accessConfig } from './config.ts'
export { AccessError } from './errors.ts'
export {
  type Counting,
  type GrantCall,
  type Granted,
  type GrantRequest,
  Grants,
  type GrantsDeps,
  type IssuedGrant,
  TOKENS_MAX,
} from './grants.ts'
export { type GrantTarget, type HeldGrant, HeldGrants, type OnBehalf } from './grants-held.ts'
export { GrantStore } from './grants-store.ts'
export { type AccessMetrics, accessMetrics } from './metrics.ts'
export { ACTIONS, type Action, type Policy } from './policy.ts'
export { Quotas, type Rate, type Shortage, TokenBucket } from './quota.ts'
export { hasWork, solveWork, WORK_BITS_MAX } from './work.ts'
