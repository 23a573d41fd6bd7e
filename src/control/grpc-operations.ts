/** Which operations of `api.ts` the service `p2p_foundation.Node` has, and how they answer. */

/** Of HTTP alone: a proof for clients of its ports, and the document that describes it. */
export const NOT_OVER_GRPC: readonly string[] = ['prove', 'openapi']

/** What answers with more than one document, and with what. */
export const STREAMS: Readonly<Record<string, string>> = {
  events: 'stream google.protobuf.Value',
  exposeAttached: 'stream google.protobuf.Value',
  callOutput: 'stream OutputPart',
}
