/**
 * The SDK's server for one HTTP request of the newer protocol era, which answers nothing itself:
 * what was asked goes to whoever is given, and what comes back is the answer.
 *
 * The SDK checks the request first (media type, headers against the body, version, capabilities),
 * so that a service behind a line need not, and makes the HTTP response.
 */

import { type JSONRPCMessage, Server, type Transport } from '@modelcontextprotocol/server'

/** One HTTP request: its message, and what its answer is sent by. */
export interface Exchange {
  readonly message: JSONRPCMessage
  readonly transport: Transport
}

// The class that the SDK keeps for what McpServer is too much for, as this is.
// eslint-disable-next-line @typescript-eslint/no-deprecated
export class ForwardingServer extends Server {
  readonly #forward: (exchange: Exchange) => () => void
  #current: Transport | undefined

  /** `forward` takes the exchange on, and gives what is to be done when the client has left. */
  constructor(forward: (exchange: Exchange) => () => void) {
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    super({ name: 'p2p-foundation', version: '1' }, { capabilities: {} })
    this.#forward = forward
  }

  override async connect(transport: Transport): Promise<void> {
    this.#current = transport
    let leave: (() => void) | undefined
    transport.onmessage = (message) => {
      leave = this.#forward({ message, transport })
    }
    transport.onclose = () => {
      leave?.()
      this.onclose?.()
    }
    await transport.start()
  }

  override async close(): Promise<void> {
    await this.#current?.close()
  }
}
