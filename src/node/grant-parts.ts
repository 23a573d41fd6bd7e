/**
 * Grants of a node: those that it gave and those that it holds, in one file with the audit log, and
 * what a program may ask of them: the part `node.grants`.
 */

import { join } from 'node:path'
import {
  type ArgRule,
  type AuditEntry,
  AuditLog,
  type GrantRequest,
  GrantStore,
  Grants,
  type HeldGrant,
  HeldGrants,
  type IssuedGrant,
} from '../access/index.ts'
import type { Service } from '../base/index.ts'
import { peerId } from '../identity/index.ts'
import type { Services, Sessions } from '../mcp/index.ts'
import type { Given } from './compose.ts'
import type { ResolvedConfig } from './load-config.ts'

/** What decides over grants, and what is kept of them. */
export interface GrantParts {
  readonly grants: Grants
  readonly held: HeldGrants
  readonly audit: AuditLog
  /** Started before what serves peers, so that it stops after. */
  readonly service: Service
}

/** What the owner gives: what is left out of it is not limited, but for the time. */
export interface GrantOptions {
  /** A peer id. */
  readonly to: string
  readonly service: string
  /** A tool's name; every tool of the service unless given. */
  readonly tool?: string
  readonly args?: Readonly<Record<string, ArgRule>>
  readonly expiresInSeconds?: number
  readonly callsMax?: number
}

/** How a token is handed on: what is left out stays as it was. */
export type DelegateOptions = Omit<GrantOptions, 'service'> & {
  /** The id of a token that this node holds, or the token. */
  readonly from: string
}

/** A week: long enough to work with, short enough to be forgotten. */
const EXPIRES_SECONDS = 7 * 86_400
const AUDIT_SHOWN = 100

export function openGrants(config: ResolvedConfig, given: Given): GrantParts {
  const { keys, clock, random, machine } = given
  const log = given.log.child('access')
  const keepsFiles = machine?.keepsFiles ?? true
  const store = new GrantStore(keepsFiles ? join(config.dataDir, 'grants.sqlite') : ':memory:')
  const deps = { store, signer: keys.signer, network: config.network, clock, random }
  const onfailure = (error: unknown) => log.error('audit log not written', { error })
  const audit = new AuditLog({ store, clock, onfailure })
  const service: Service = {
    name: 'grants',
    start: () => audit.start(),
    stop: async () => {
      await audit.stop()
      store.close()
    },
  }
  return { grants: new Grants(deps), held: new HeldGrants(deps), audit, service }
}

/** Notes every call of a peer to a tool, and that it was refused. */
export function auditCalls(services: Pick<Services, 'events'>, audit: AuditLog): void {
  services.events.on('callServed', (call) => {
    const { tool, peer, ms, code, service = null, grant = null, chain = [], reason } = call
    audit.note({ peer, service, tool, grant, chain, outcome: code, code: reason ?? null, ms })
  })
}

/** What `node.grants` is made from; the same parts that decide over calls. */
export interface GrantsFaceParts extends Omit<GrantParts, 'service'> {
  readonly sessions: Pick<Sessions, 'renew'>
}

/** `parts` gives them while the node has not stopped, for what is wanted of them. */
export function grantsFace(parts: (wanted: string) => GrantsFaceParts) {
  return {
    /** Lets a peer call tools of a service that is not public; give it the token. */
    issue: async (options: GrantOptions): Promise<IssuedGrant & { readonly token: string }> => {
      return parts('grant').grants.issue(requestOf(options))
    },
    list: (): readonly IssuedGrant[] => parts('list grants').grants.list(),
    /** Ends a grant with all that was handed on of it. */
    revoke: async (id: string): Promise<void> => {
      const { grants, held } = parts('revoke a grant')
      if (!held.drop(id)) grants.revoke(id)
    },
    /** Keeps a token of another node; calls to it show the token from now on. */
    accept: async (token: string): Promise<HeldGrant> => {
      const { held, sessions } = parts('accept a grant')
      const accepted = held.accept(token)
      sessions.renew(accepted.issuer)
      return accepted
    },
    held: (): readonly HeldGrant[] => parts('list grants').held.list(),
    /** Hands on less of a token that this node holds, offline; resolves with the new token. */
    delegate: async ({ from, ...less }: DelegateOptions): Promise<string> => {
      const { to, tool, args, expiresInSeconds, callsMax } = less
      const { held } = parts('hand on a grant')
      const expires = expiresInSeconds === undefined ? undefined : secondsFrom(expiresInSeconds)
      return held.delegate(from, {
        audience: peerId(to),
        ...(tool !== undefined && { tool }),
        ...(args !== undefined && { args }),
        ...(expires !== undefined && { expires }),
        ...(callsMax !== undefined && { callsMax }),
      })
    },
    /** The last calls of peers, the newest first. */
    audit: (limit = AUDIT_SHOWN): readonly AuditEntry[] => {
      return parts('read the audit log').audit.list(limit)
    },
  }

  function secondsFrom(life: number): number {
    return parts('hand on a grant').grants.nowSeconds() + life
  }
}

function requestOf(options: GrantOptions): GrantRequest {
  const { to, expiresInSeconds = EXPIRES_SECONDS, ...rest } = options
  return { ...rest, to: peerId(to), expiresInSeconds }
}
