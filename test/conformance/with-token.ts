/**
 * A loopback port in front of a node's gateway: it adds the node's token, which the suite has no
 * option for, and names the gateway where the suite named this port. Nothing else is changed: a
 * foreign Host or Origin arrives as it was sent, and refusing it is the gateway's work.
 */

import { createServer, type IncomingHttpHeaders, request } from 'node:http'

export interface Forwarder extends AsyncDisposable {
  readonly url: string
}

/** Forwards every request to `target`, which is a whole URL. */
export async function withToken(target: string, token: string): Promise<Forwarder> {
  const { host, hostname, port, pathname } = new URL(target)
  let own = ''
  const server = createServer((incoming, outgoing) => {
    const headers = ourNames(incoming.headers, own, host)
    const { method } = incoming
    const auth = { authorization: `Bearer ${token}` }
    const onward = request(
      { hostname, port, path: pathname, method, headers: { ...headers, ...auth } },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
        outgoing.flushHeaders()
        answer.pipe(outgoing)
        answer.once('error', () => outgoing.destroy())
      },
    )
    onward.once('error', () => outgoing.destroy())
    outgoing.once('close', () => onward.destroy())
    incoming.pipe(onward)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  own = `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  return {
    url: `http://${own}/mcp`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function ourNames(headers: IncomingHttpHeaders, own: string, host: string): IncomingHttpHeaders {
  const port = own.split(':')[1]
  const renamed = (name: string) => {
    return [own, `localhost:${port}`].includes(name.replace('http://', ''))
      ? name.replace(own, host).replace(`localhost:${port}`, host)
      : name
  }
  return {
    ...headers,
    ...(headers.host === undefined ? {} : { host: renamed(headers.host) }),
    ...(headers.origin === undefined ? {} : { origin: renamed(headers.origin) }),
  }
}
