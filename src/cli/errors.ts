import { defineErrors } from '../base/index.ts'

export const CliError = defineErrors('CLI', {
  NO_GATEWAY: {
    says: (f: { node: string }) =>
      `Cannot serve MCP: the node of "${f.node}" has no gateway; set [mcp] enabled = true`,
  },
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
  AGENT_NOT_FOUND: {
    says: (f: { agent: string; registry: string; host: string }) =>
      `Cannot show agent ${f.agent}: the registry ${f.registry} on the chain at ${f.host} has no ` +
      'entry of it. Check the address, or register it first',
  },
  NAME_NOT_FOUND: {
    says: (f: { name: string; answered: number }) =>
      `Cannot find "${f.name}": none of the ${f.answered} peers that answered knows who claims ` +
      'it. Check the name, or ask for the peer id',
  },
  NAME_UNCERTAIN: {
    says: (f: { name: string; answered: number; failed: number }) =>
      `Cannot find "${f.name}": ${f.answered} peers know nobody who claims it, and ${f.failed} ` +
      'did not answer, so somebody may. Try again',
    retryable: true,
  },
  NAME_AMBIGUOUS: {
    says: (f: { name: string; peers: readonly string[]; more: boolean }) =>
      `Cannot connect to "${f.name}": ${f.more ? 'more than ' : ''}${f.peers.length} peers claim ` +
      `it, ${f.peers.join(', ')}. Say with --peer which one is meant`,
  },
  NAME_UNCLAIMED: {
    says: (f: { name: string; peer: string; peers: readonly string[] }) =>
      `Cannot connect to "${f.name}": peer ${f.peer} does not claim it, ` +
      `${f.peers.join(', ')} does. Check the name and the peer id`,
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
  OUTPUT_EXISTS: {
    says: (f: { file: string }) =>
      `Cannot write the result to "${f.file}": it is there already; ` +
      'name another file, or write over it with --force',
  },
  OUTPUT_UNWRITABLE: {
    says: (f: { file: string; found: string }) =>
      `Cannot write the result to "${f.file}": ${f.found}; the tool ran`,
  },
  OUTPUT_BROKEN: {
    says: (f: { bytes: number; wanted: number }) =>
      `Cannot give the result: ${f.bytes} of its ${f.wanted} bytes came, or not as they were ` +
      'sent; the tool ran, and no file was written',
  },
  INTERNAL: {
    says: (f: { message: string }) =>
      `Cannot go on: ${f.message}. This is a bug of ours; please report it`,
  },
})
