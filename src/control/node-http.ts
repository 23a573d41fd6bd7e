/**
 * Node's HTTP without the web's. Importing any name of `node:http` as a module asks it for all of
 * them, and three (`WebSocket`, `CloseEvent`, `MessageEvent`) are getters that load `fetch` and
 * all it needs: 15 MB and 40 ms in Node 26, which a node that fetches nothing can do without.
 * Types cost nothing and are imported as ever.
 */

export const { Agent, createServer, request } = process.getBuiltinModule('node:http')
