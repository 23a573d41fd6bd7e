import { defineErrors } from '../base/index.ts'

/** What can go wrong with a simulation itself. */
export const TestingError = defineErrors('TESTING', {
  NOTHING_LEFT: {
    says: (f: { atMs: number }) =>
      `Cannot go on after ${f.atMs} ms: no event is to come, and what is waited for is not done`,
  },
  TIME_HELD: {
    says: (f: { heldMs: number; atMs: number }) =>
      `Cannot go on after ${f.atMs} ms: time was held for ${f.heldMs} ms of real time`,
  },
  NOT_SIMULATED: {
    says: (f: { what: string }) => `Cannot simulate ${f.what}: it has no virtual form`,
  },
  TOO_LATE: {
    says: (f: { wanted: string; afterMs: number; found: string }) =>
      `Cannot see ${f.wanted} within ${f.afterMs} ms of virtual time: ${f.found}`,
  },
  ADDRESS_TAKEN: {
    says: (f: { address: string }) => `Cannot listen on ${f.address}: it is taken`,
  },
  STREAM_BROKEN: {
    says: (f: { reason: string }) => `Cannot use a simulated stream: ${f.reason}`,
    retryable: true,
  },
  UNREACHABLE: {
    says: (f: { address: string; reason: string }) => `Cannot reach ${f.address}: ${f.reason}`,
    retryable: true,
  },
})
