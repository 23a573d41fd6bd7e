import { defineErrors } from '../base/index.ts'

export const CliError = defineErrors('CLI', {
  USAGE: {
    says: (f: { command: string; expected: string }) =>
      `Cannot run "p2p ${f.command}": expected ${f.expected}. See: p2p ${f.command} --help`,
  },
  COMMAND_LINE: {
    says: (f: { problem: string; help: string }) =>
      `Cannot read the command line: ${f.problem}. See: ${f.help}`,
  },
  NOT_BUILT_YET: {
    says: (f: { option: string; brings: string; instead: string }) =>
      `Cannot use ${f.option}: it comes with ${f.brings} and is not built yet. ${f.instead}`,
  },
  INTERRUPTED: {
    says: (f: { signal: string }) => `Stopped by ${f.signal} before the answer was there`,
  },
  TOOL_FAILED: {
    says: (f: { tool: string; peer: string }) =>
      `Tool "${f.tool}" of peer ${f.peer} says that it failed: its own words are above`,
  },
  NO_KEY: {
    says: (f: { file: string }) =>
      `Cannot show the identity: there is no key file ${f.file} yet. ` +
      'The first "p2p start" on this data folder makes it',
  },
  RECORD_NOT_FOUND: {
    says: (f: { key: string; answered: number }) =>
      `Cannot get "${f.key}": none of the ${f.answered} peers that answered has it. ` +
      'Check the key, or put the record first',
  },
  RECORD_UNCERTAIN: {
    says: (f: { key: string; answered: number; failed: readonly unknown[] }) =>
      `Cannot get "${f.key}": ${f.answered} peers have it not and ${f.failed.length} did not ` +
      'answer, so it may exist. Try again',
    retryable: true,
  },
  NOT_STORED: {
    says: (f: { key: string; wanted: number; failed: readonly unknown[] }) =>
      `Cannot put "${f.key}": none of the ${f.wanted} peers asked stored it. ` +
      'See "p2p status" for what is wrong, then try again',
    retryable: true,
  },
  NODE_GONE: {
    says: (f: { service: string }) =>
      `Cannot offer "${f.service}" any longer: the node went away. Start it, then expose again`,
    retryable: true,
  },
  SERVICE_FAILED: {
    says: (f: { service: string; reason: string }) =>
      `Cannot offer "${f.service}": ${f.reason}. Run its command by itself to see what it says`,
  },
  NODE_STOPPED: {
    says: (_: object) =>
      'Cannot watch any longer: the node has stopped. Start it, then watch again',
    retryable: true,
  },
  DOCTOR_FAILED: {
    says: (f: { failed: readonly string[] }) =>
      `This machine is not ready: ${f.failed.join(', ')}. Each line above says what to do`,
  },
  STOP_TIMEOUT: {
    says: (f: { afterMs: number }) =>
      `Stopped the hard way: parts of the node were still busy after ${f.afterMs} ms. ` +
      'The data folder is safe; please report it with the log',
  },
  INTERNAL: {
    says: (f: { message: string }) =>
      `Cannot go on: ${f.message}. This is a bug of ours; please report it`,
  },
})
