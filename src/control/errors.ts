import { defineErrors } from '../base/index.ts'

export const ControlError = defineErrors('CONTROL', {
  HOST_REFUSED: {
    says: (f: { host: string; allowed: readonly string[] }) =>
      `Cannot answer a request for host "${f.host}": wanted ${f.allowed.join(' or ')}`,
  },
  ORIGIN_REFUSED: {
    says: (f: { origin: string }) =>
      `Cannot answer a request from the web origin "${f.origin}": only this node's own is allowed`,
  },
  TOKEN_MISSING: {
    says: (f: { path: string }) =>
      `Cannot answer ${f.path} without a token: ` +
      'send "Authorization: Bearer <token>" with the text of api.token in the data folder',
  },
  TOKEN_INVALID: {
    says: (f: { path: string }) =>
      `Cannot answer ${f.path}: the bearer token is not that of this node. ` +
      'Read api.token in the data folder of this very node',
  },
  REQUEST_INVALID: {
    says: (f: { part: string; problems: readonly string[] }) =>
      `Cannot read the ${f.part} of the request: ${f.problems.join('; ')}`,
  },
  BODY_TOO_LARGE: {
    says: (f: { limit: number }) =>
      `Cannot read the body of the request: it has more than the ${f.limit} bytes allowed`,
  },
  ROUTE_UNKNOWN: {
    says: (f: { method: string; path: string }) =>
      `Cannot answer ${f.method} ${f.path}: there is no such route. GET /openapi.json lists all`,
  },
  PEER_NOT_FOUND: {
    says: (f: { peer: string }) =>
      `Cannot disconnect from ${f.peer}: it is not connected. GET /v1/peers lists those that are`,
  },
  AGENT_NOT_FOUND: {
    says: (f: { address: string }) =>
      `Cannot find agent ${f.address}: none of the peers that were asked has a record of it ` +
      'that holds. It may not have been online for a day; try again when it is',
  },
  CALLER_GONE: {
    says: (_: object) => 'Cannot answer: the caller closed the connection',
  },
  INTERNAL: {
    says: (f: { correlationId: string }) =>
      `Cannot answer: an error that we did not foresee. The log has it under ${f.correlationId}`,
  },
  PORT_BUSY: {
    says: (f: { key: string; address: string }) =>
      `Cannot listen at ${f.address}: the port is in use. ` +
      `Stop the program that holds it, or change ${f.key} (0 takes any free port)`,
  },
  ADDRESS_UNUSABLE: {
    says: (f: { key: string; address: string; reason: string }) =>
      `Cannot listen at ${f.address}: ${f.reason}. Change ${f.key} to an address of this host`,
  },
  NODE_UNREACHABLE: {
    says: (f: { node: string; reason: string; start: string }) =>
      `Cannot reach the node of ${f.node}: ${f.reason}. Start it with: ${f.start}`,
    retryable: true,
  },
  NODE_UNPROVEN: {
    says: (f: { reason: string }) =>
      `Cannot trust who answers at the address of this node: ${f.reason}`,
  },
  EVENTS_BUSY: {
    says: (f: { limit: number }) =>
      `Cannot tell what happens to one reader more: ${f.limit} read already. Close one of them`,
    retryable: true,
  },
  ANSWER_MALFORMED: {
    says: (f: { operation: string; status: number }) =>
      `Cannot read the answer to "${f.operation}" (HTTP ${f.status}): it is not that of a node`,
  },
  EVENTS_MISSED: {
    says: (f: { missed: number }) =>
      `Cannot tell ${f.missed} events to this reader: it reads too slowly, and no more are kept`,
  },
  CALLS_BUSY: {
    says: (f: { limit: number }) =>
      `Cannot take one gRPC call more: ${f.limit} are in work. Wait for one of them`,
    retryable: true,
  },
  KEY_NOT_TAKEN: {
    says: (_: object) =>
      'Cannot take a private key in a request: leave privateKey empty and give the node its key ' +
      'in PRIVATE_KEY of its own environment or env file',
  },
  AGENT_UNAVAILABLE: {
    says: (_: object) =>
      'Cannot speak as an agent: this node has none. Set [agent] enabled = true, or start p2p-node',
  },
  NOT_SENT: {
    says: (f: { messageId: string; reason: string }) =>
      `Cannot send message ${f.messageId}: ${f.reason}`,
  },
  STOP_NOT_OFFERED: {
    says: (_: object) =>
      'Cannot stop this node from here: it is part of another program, which stops it',
  },
  GRPC_TLS_REQUIRED: {
    says: (f: { address: string }) =>
      `Cannot serve gRPC at ${f.address} in clear text: it can be reached from other hosts. ` +
      'Use 127.0.0.1, or set [control] grpc_certificate_file and grpc_key_file',
  },
  GRPC_FILES_UNUSABLE: {
    says: (f: { file: string; reason: string }) =>
      `Cannot serve gRPC over TLS with ${f.file}: ${f.reason}. ` +
      'Wanted a certificate and its key as PEM files',
  },
})
