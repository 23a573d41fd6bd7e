/**
 * The MCP SDK, loaded when the first session of its kind opens: both sides of it are two thirds of
 * a megabyte of code, which a node that nobody asks for a tool does not need. Types come from the
 * SDK itself, as types cost nothing.
 */

import { firstUse } from '../base/index.ts'

export type ClientSdk = typeof import('./sdk-client.ts')
export type ServerSdk = typeof import('./sdk-server.ts')

/** What sessions with servers are made of. */
export function clientSdk(): Promise<ClientSdk> {
  return firstUse('the MCP client', () => import('./sdk-client.ts'))
}

/** What serves peers and assistants is made of. */
export function serverSdk(): Promise<ServerSdk> {
  return firstUse('the MCP server', () => import('./sdk-server.ts'))
}
