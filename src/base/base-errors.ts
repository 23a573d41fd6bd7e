import { defineErrors } from './errors.ts'

export const BaseError = defineErrors('BASE', {
  BUG: {
    says: (f: { invariant: string }) =>
      `Cannot go on: "${f.invariant}" does not hold. This is a bug of ours; please report it`,
  },
  BUSY: {
    says: (f: { queue: string; waiting: number; limit: number }) =>
      `Cannot queue work in "${f.queue}": ${f.waiting} wait already and the limit is ${f.limit}`,
    retryable: true,
  },
  DEADLINE: {
    says: (f: { afterMs: number }) => `Cannot wait longer: the deadline of ${f.afterMs} ms passed`,
    retryable: true,
  },
  LIBRARY_UNUSABLE: {
    says: (f: { library: string; reason: string }) =>
      `Cannot load ${f.library}: ${f.reason}. Install this software again and restart the node`,
  },
  SYSCALLS_UNAVAILABLE: {
    says: (f: { reason: string }) =>
      `Cannot make system calls of our own: ${f.reason}. What needs them is left out`,
  },
  SYSCALL_FAILED: {
    says: (f: { call: string; code: string }) => `Cannot call ${f.call}(): ${f.code}`,
  },
})
