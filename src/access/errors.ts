import { defineErrors } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

export const AccessError = defineErrors('ACCESS', {
  DENIED: {
    says: (f: { peer: PeerId; action: string; missing: string }) =>
      `Cannot let peer ${f.peer} do "${f.action}": ${f.missing}`,
  },
  QUOTA: {
    says: (f: { peer: PeerId; action: string; of: 'peer' | 'node'; retryAfterMs: number }) =>
      `Cannot let peer ${f.peer} do "${f.action}" now: the quota of the ${f.of} is used up. ` +
      `Try again in ${f.retryAfterMs} ms`,
    retryable: true,
  },
  WORK_BITS: {
    says: (f: { bits: number; limit: number }) =>
      `Cannot ask for ${f.bits} bits of work: wanted a whole number from 0 to ${f.limit}`,
  },
  /** No token allows this call; the sentence is what its caller asks the owner for. */
  GRANT_MISSING: {
    says: (f: {
      peer: PeerId
      service: string
      tool: string
      argument?: string
      allowed?: string
    }) =>
      `Cannot let peer ${f.peer} call "${f.tool}" of service "${f.service}": ` +
      (f.argument === undefined
        ? 'no grant allows it'
        : `argument "${f.argument}" is outside the grant, which wants it ${f.allowed}`) +
      `; ask its owner for "p2p grant ${f.service}${f.tool === '*' ? '' : ` --tool ${f.tool}`} ` +
      `--to ${f.peer}"`,
  },
  GRANT_INVALID: {
    says: (f: { found: string }) => `Cannot read grant: found ${f.found}`,
  },
  GRANT_REQUEST: {
    says: (f: { field: string; found: string; wanted: string }) =>
      `Cannot make grant: ${f.field} is ${f.found}; wanted ${f.wanted}`,
  },
  GRANT_FORGED: {
    says: (f: { block: number; signer: PeerId }) =>
      `Cannot accept grant: block ${f.block} was not signed by ${f.signer}`,
  },
  GRANT_WIDENED: {
    says: (f: { block: number; what: string; from: string; to: string }) =>
      `Cannot accept grant: block ${f.block} widens ${f.what} from ${f.from} to ${f.to}`,
  },
  GRANT_AUDIENCE: {
    says: (f: { peer: PeerId; audience: PeerId }) =>
      `Cannot let peer ${f.peer} use this grant: it is for ${f.audience}`,
  },
  GRANT_EXPIRED: {
    says: (f: { grant: string; expired: string }) =>
      `Cannot use grant ${f.grant}: it expired at ${f.expired}; ask for a new one`,
  },
  GRANT_EARLY: {
    says: (f: { grant: string; from: string }) =>
      `Cannot use grant ${f.grant} yet: it begins at ${f.from}`,
    retryable: true,
  },
  GRANT_REVOKED: {
    says: (f: { grant: string }) => `Cannot use grant ${f.grant}: it was revoked`,
  },
  GRANT_USED_UP: {
    says: (f: { grant: string; limit: number }) =>
      `Cannot use grant ${f.grant} again: all of its ${f.limit} calls were made`,
  },
  GRANT_UNKNOWN: {
    says: (f: { grant: string }) =>
      `Cannot find grant "${f.grant}": this node has not issued and does not hold it; ` +
      'see "p2p grants"',
  },
  GRANTS_FULL: {
    says: (f: { what: string; limit: number }) =>
      `Cannot keep another ${f.what}: there are ${f.limit} already; revoke one, or wait for one ` +
      'to expire',
  },
  GRANTS_FILE: {
    says: (f: { file: string; reason: string }) =>
      `Cannot use the grants in "${f.file}": ${f.reason}; mend the file or move it away, ` +
      'which ends every grant in it',
  },
})
