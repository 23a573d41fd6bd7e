import { defineErrors } from '../base/index.ts'

interface OnTopic {
  readonly topic: string
}

export const PubsubError = defineErrors('PUBSUB', {
  TOPIC_INVALID: {
    says: (f: OnTopic & { found: string }) =>
      `Cannot use topic ${JSON.stringify(f.topic)}: ${f.found}. Wanted 1 to 256 bytes of text ` +
      'without control characters, the network prefix included',
  },
  RULES_INVALID: {
    says: (f: OnTopic & { rule: string; found: number | string; wanted: string }) =>
      `Cannot set ${f.rule} of topic "${f.topic}" to ${f.found}: wanted ${f.wanted}`,
  },
  CODEC_INVALID: {
    says: (f: { found: string }) =>
      `Cannot use the codec: it encoded a value as ${f.found}; wanted a Uint8Array`,
  },
  SCHEMA_ASYNC: {
    says: () =>
      'Cannot use a schema or a codec that answers with a promise: a message is judged at once. ' +
      'Give one that returns the value or throws',
  },
  TOPIC_IN_USE: {
    says: (f: OnTopic & { subscribers: number }) =>
      `Cannot change the rules of topic "${f.topic}": ${f.subscribers} subscribers read it under ` +
      'other rules. End their subscriptions first',
  },
  TOPICS_EXHAUSTED: {
    says: (f: OnTopic & { limit: number; of: 'known' | 'subscribed' }) =>
      `Cannot add topic "${f.topic}": ${f.limit} topics are ${f.of}, which is the limit`,
  },
  TOO_LARGE: {
    says: (f: OnTopic & { size: number; limit: number }) =>
      `Cannot publish ${f.size} bytes to topic "${f.topic}": the limit is ${f.limit}. Publish ` +
      'where the content can be found instead',
  },
  VALUE_REFUSED: {
    says: (f: OnTopic & { reason: string }) =>
      `Cannot publish to topic "${f.topic}": its own rules refuse the value (${f.reason})`,
  },
  PUBLISH_FAILED: {
    says: (f: OnTopic & { reason: string }) =>
      `Cannot publish to topic "${f.topic}": the router failed (${f.reason})`,
    retryable: true,
  },
  NOT_RUNNING: {
    says: (f: OnTopic) => `Cannot use topic "${f.topic}": this node is not started, or is stopping`,
  },
  STREAM_REFUSED: {
    says: (f: { reason: string }) => `Cannot take a stream of gossip: ${f.reason}`,
  },
  PEER_STUCK: {
    says: (f: { peer: string; bytes: number }) =>
      `Cannot keep the stream of gossip to peer ${f.peer}: ${f.bytes} bytes wait that must not ` +
      'be dropped',
    retryable: true,
  },
  REPAIR_REFUSED: {
    says: (f: { reason: string }) => `Cannot give missing messages: ${f.reason}`,
  },
  STOCK_CHANGED: {
    says: (f: { missing: string }) =>
      `Cannot guard GossipSub: it has no "${f.missing}". Install the version in package.json`,
  },
})

/** One line about whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
