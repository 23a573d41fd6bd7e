/** The protocol as libp2p knows it; its messages are in `wire.ts`. */

import type { Protocol } from '../net/index.ts'
import { kadProtocolId } from '../wire/index.ts'
import { MESSAGE_BYTES_MAX } from './wire.ts'

/** Long-lived streams need few; a foreign peer may open one for each of its questions. */
const INBOUND_MAX = 32
const OUTBOUND_MAX = 8

export function dhtProtocol(network: string, override?: string): Protocol {
  return {
    id: override ?? kadProtocolId(network),
    framing: 'varint',
    frameBytesMax: MESSAGE_BYTES_MAX,
    inboundMax: INBOUND_MAX,
    outboundMax: OUTBOUND_MAX,
  }
}
