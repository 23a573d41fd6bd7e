/**
 * What can go wrong with a node that this program runs as a process of its own. A table beside
 * `errors.ts`, which is about the API; no row says a key, not even a wrong one.
 */

import { defineErrors } from '../base/index.ts'

export const LaunchError = defineErrors('CONTROL', {
  LAUNCH_INVALID: {
    says: (f: { agent: string; what: string; found: string; wanted: string }) =>
      `Cannot launch the agent "${f.agent}": its ${f.what} is ${f.found}, wanted ${f.wanted}`,
  },
  LAUNCH_FAILED: {
    says: (f: { agent: string; reason: string; lastWords: string }) =>
      `Cannot launch the agent "${f.agent}": ${f.reason}` +
      (f.lastWords === '' ? '' : `. Its process said: ${f.lastWords}`),
  },
  LAUNCH_NOT_RUNNING: {
    says: (f: { agent: string; wanted: string; state: string }) =>
      `Cannot ${f.wanted} as agent "${f.agent}": its process is ${f.state}. ` +
      'Call start(), or wait for the event "ready" while it restarts',
    retryable: true,
  },
  LAUNCH_BUSY: {
    says: (f: { agent: string; waiting: number }) =>
      `Cannot hand one command more to the agent "${f.agent}": ${f.waiting} wait already. ` +
      'Wait for some of their answers',
    retryable: true,
  },
  LAUNCH_OUTCOME_UNKNOWN: {
    says: (f: { agent: string; command: string; how: string }) =>
      `Cannot say what became of "${f.command}" of the agent "${f.agent}": ${f.how} before it ` +
      'answered. It may have been done: look before you repeat it',
  },
  LAUNCH_UNSUPPORTED: {
    says: (f: { agent: string; wanted: string; remedy: string }) =>
      `Cannot ${f.wanted} as agent "${f.agent}": its node cannot. ${f.remedy}`,
  },
})
