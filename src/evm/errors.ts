import { defineErrors } from '../base/index.ts'

export const EvmError = defineErrors('EVM', {
  LIBRARY_MISSING: {
    says: (f: { library: string; version: string; reason: string }) =>
      `Cannot talk to a chain: the package ${f.library} cannot be loaded (${f.reason}). ` +
      `Run: npm install ${f.library}@${f.version}`,
  },
  NOT_CONFIGURED: {
    says: (f: { what: string; where: string }) =>
      `Cannot use the agent registry: ${f.what} is not set; wanted it in ${f.where}`,
  },
  VALUE_INVALID: {
    says: (f: { what: string; wanted: string }) =>
      `Cannot use ${f.what}: what was found is no ${f.wanted}`,
  },
  UNREACHABLE: {
    says: (f: { host: string; method: string; reason: string }) =>
      `Cannot ask chain at ${f.host} for ${f.method}: ${f.reason}; check RPC_URL and the network`,
    retryable: true,
  },
  RPC_FAILED: {
    says: (f: { host: string; method: string; reason: string; data?: string }) =>
      `Cannot do ${f.method} on the chain at ${f.host}: it says ${f.reason}`,
  },
  ANSWER_MALFORMED: {
    says: (f: { host: string; method: string; found: string }) =>
      `Cannot read the answer of the chain at ${f.host} to ${f.method}: ${f.found}`,
  },
  NO_CONTRACT: {
    says: (f: { host: string; address: string }) =>
      `Cannot find an agent registry at ${f.address} on the chain at ${f.host}: ` +
      'check REGISTRY_ADDRESS, and that RPC_URL is of the same chain',
  },
  CONTRACT_REFUSED: {
    says: (f: { call: string; refusal: string; reason: string }) =>
      `Cannot do ${f.call}: the contract refuses with ${f.refusal}: ${f.reason}`,
  },
  FEE_TOO_HIGH: {
    says: (f: { call: string; host: string; fee: string; limit: string }) =>
      `Cannot do ${f.call}: the chain at ${f.host} wants up to ${f.fee} wei for it, more than ` +
      `${f.limit}; wait until it is cheaper, or use another RPC_URL`,
  },
  OUTCOME_UNKNOWN: {
    says: (f: { call: string; hash: string; reason: string }) =>
      `Cannot say what became of ${f.call}: transaction ${f.hash} was sent and ${f.reason}. ` +
      'Look for it before you try again',
  },
})
