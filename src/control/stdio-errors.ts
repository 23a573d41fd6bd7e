/** What can be wrong with the lines that are given to `p2p-node`, and with its own start. */

import { defineErrors } from '../base/index.ts'

export const StdioError = defineErrors('CONTROL', {
  STDIO_JSON_MALFORMED: {
    says: (f: { reason: string }) =>
      `Cannot read a line: ${f.reason}. Wanted one JSON object on each line, as UTF-8`,
  },
  STDIO_LINE_TOO_LONG: {
    says: (f: { limit: number }) =>
      `Cannot read a line of more than ${f.limit} bytes: it was skipped up to its end. ` +
      'A message carries at most 512 KiB',
  },
  STDIO_TYPE_UNKNOWN: {
    says: (f: { found: string; known: readonly string[] }) =>
      `Cannot do "${f.found}": wanted a type among ${f.known.join(', ')}`,
  },
  STDIO_COMMAND_INVALID: {
    says: (f: { command: string; problems: readonly string[] }) =>
      `Cannot do "${f.command}": ${f.problems.join('; ')}`,
  },
  STDIO_NOT_CONNECTED: {
    says: (f: { command: string }) =>
      `Cannot do "${f.command}": the node has not started. Send {"type":"connect"} first`,
  },
  STDIO_ALREADY_CONNECTED: {
    says: (f: { port: number; wanted: number }) =>
      `Cannot listen on port ${f.wanted}: this node was asked for port ${f.port} (0: any). ` +
      'Send shutdown, and start another process',
  },
  STDIO_AGENT_UNAVAILABLE: {
    says: (f: { command: string }) =>
      `Cannot do "${f.command}": this node has no agent. Set PRIVATE_KEY in its environment, or ` +
      '[agent] enabled = true in its configuration, and start it again',
  },
  STDIO_HTTP_ONLY: {
    says: (f: { operation: string }) =>
      `Cannot do "${f.operation}" here: it is about the HTTP API. Ask the address in "ready"`,
  },
  STDIO_EVENTS_LOST: {
    says: (f: { missed: number; logs: number }) =>
      `Cannot tell all that happened: ${f.missed} events and ${f.logs} log lines were left out, ` +
      'because standard output was not read. Messages are kept in the inbox of the node',
    retryable: true,
  },
  STDIO_PEER_DISCONNECTED: {
    says: (f: { peer: string }) =>
      `Cannot reach first peer ${f.peer} any more: the connection is gone. It is dialled again`,
    retryable: true,
  },
  STDIO_CANCELLED: {
    says: (_: object) => 'Cannot answer: the question was taken back with "cancel"',
  },
  STDIO_STOPPING: {
    says: (f: { command: string }) => `Cannot do "${f.command}": the node is stopping`,
  },
  STDIO_OPTION_INVALID: {
    says: (f: { reason: string }) =>
      `Cannot start p2p-node: ${f.reason}. ` +
      'Usage: p2p-node [-p|--port <port>] [-n|--name <name>] [-e|--env-file <file>] [--help]',
  },
  STDIO_ENV_FILE_UNREADABLE: {
    says: (f: { file: string; reason: string }) =>
      `Cannot read the environment file ${f.file}: ${f.reason}`,
  },
  STDIO_ENV_FILE_EXPOSED: {
    says: (f: { file: string; mode: string }) =>
      `Cannot use PRIVATE_KEY of ${f.file}: its mode is ${f.mode}, so others can read it, and it ` +
      `is not yours to close. Make it yours, then run: chmod 600 ${f.file}`,
  },
  STDIO_FAILED: {
    says: (f: { command: string; reason: string }) =>
      `Cannot do "${f.command}": an error that we did not foresee: ${f.reason}`,
  },
})
