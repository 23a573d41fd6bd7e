/**
 * What a program can get wrong with a node that it holds. A table of its own beside `errors.ts`,
 * which is about configuration and data; the codes are of one room and do not meet.
 */

import { defineErrors } from '../base/index.ts'

export const UseError = defineErrors('NODE', {
  STOPPED: {
    says: (f: { wanted: string }) =>
      `Cannot ${f.wanted}: this node is stopped. Make another one with createNode()`,
  },
  INJECTED_INVALID: {
    says: (f: { what: string; found: string; wanted: string }) =>
      `Cannot start with the ${f.what} that was handed in: found ${f.found}, wanted ${f.wanted}`,
  },
  ARGUMENT_INVALID: {
    says: (f: { what: string; found: string; wanted: string }) =>
      `Cannot take the ${f.what}: found ${f.found}, wanted ${f.wanted}`,
  },
  OFFER_INVALID: {
    says: (f: { service: string; found: string }) =>
      `Cannot expose "${f.service}": found ${f.found}, wanted a list of tools as tool() makes ` +
      'them, { command, args } or { url }',
  },
  SCHEMA_INVALID: {
    says: (f: { topic: string; found: string }) =>
      `Cannot use topic "${f.topic}": its schema is ${f.found}; wanted a function that returns ` +
      'the value or throws, or an object with parse(), such as a Zod schema',
  },
  VALUE_UNFIT: { says: (f: { reasons: string }) => `Cannot take the value: ${f.reasons}` },
  TESTNET_STALLED: {
    says: (f: { wanted: string; afterMs: number; missing: readonly string[] }) =>
      `Cannot go on with the test net: ${f.wanted} was not so after ${f.afterMs} ms; ` +
      `missing at ${f.missing.join(', ')}`,
  },
})
