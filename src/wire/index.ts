/** Floor 1. Bytes and their meaning, with no input or output of its own. */

export { type Cbor, decodeCbor, encodeCbor } from './cbor.ts'
export { Reader, Writer } from './cursor.ts'
export { WireError } from './errors.ts'
export { encodeFrame, FrameSplitter, type Framing, frameParts } from './framing.ts'
export {
  isJsonObject,
  isMachineryKey,
  type Json,
  type JsonLimits,
  type JsonObject,
  parseJson,
} from './json.ts'
export { Pieces } from './pieces.ts'
export { kadProtocolId, MAIN_NETWORK, protocolId } from './protocol-id.ts'
export { decodeVarint, encodeVarint, VARINT_BYTES_MAX } from './varint.ts'
