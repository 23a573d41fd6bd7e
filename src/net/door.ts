/**
 * Turns sockets away at the door: what libp2p makes for a connection before anybody may refuse it
 * costs milliseconds, which a flood has many of; to close a socket costs a tenth of one.
 */

import type { Listener } from '@libp2p/interface'

/** What is used of a `net.Socket`. */
interface Knocking {
  readonly remoteAddress?: string
  resetAndDestroy(): unknown
}

/** What is used of a `net.Server`. */
interface Door {
  listeners(event: 'connection'): ((socket: Knocking) => void)[]
  removeAllListeners(event: 'connection'): unknown
  on(event: 'connection', listener: (socket: Knocking) => void): unknown
}

export class Doorkeeper {
  readonly #asked = new WeakSet<object>()
  #refuses: (ip: string) => boolean = () => false

  /** Whom to ask; until then everybody comes in. */
  ask(refuses: (ip: string) => boolean): void {
    this.#refuses = refuses
  }

  /** Whether a connection came through a door where it was asked already. */
  hasAsked(connection: object): boolean {
    const { socket } = connection as { readonly socket?: object }
    return socket !== undefined && this.#asked.has(socket)
  }

  /** Stands at a listener that has sockets; leaves others as they are. */
  guard(listener: Listener): void {
    const { server } = listener as { readonly server?: Door }
    if (server === undefined || typeof server.removeAllListeners !== 'function') return
    const inside = server.listeners('connection')
    server.removeAllListeners('connection')
    server.on('connection', (socket) => {
      const { remoteAddress } = socket
      if (remoteAddress !== undefined && this.#refuses(remoteAddress)) {
        socket.resetAndDestroy()
        return
      }
      this.#asked.add(socket)
      for (const enter of inside) enter.call(server, socket)
    })
  }
}
