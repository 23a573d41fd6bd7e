/** The topic on which nodes tell what services they offer, over the room `pubsub`. */

import { ANNOUNCEMENTS, type AnnouncementTopic } from '../mcp/index.ts'
import type { Pubsub } from '../pubsub/index.ts'

/** Bytes as they are: what they mean is said in `mcp`. */
const codec = {
  encode: (value: unknown) => ANNOUNCEMENTS.check(value),
  decode: (bytes: Uint8Array) => bytes,
}

/** Joins with the first that listens, and leaves when that one does. */
export function announcementTopic(
  pubsub: Pick<Pubsub, 'topic' | 'subscribe' | 'publish'>,
): AnnouncementTopic {
  const { topic, bytesMax, perPeerPerSecond, check, isAuthor } = ANNOUNCEMENTS
  return {
    publish: (bytes, options) => pubsub.publish(topic, bytes, options),
    async listen(heard, { signal }) {
      pubsub.topic(topic, {
        schema: check,
        isAuthor,
        codec,
        bytesMax,
        perPeerPerSecond,
      })
      for await (const { from, value } of pubsub.subscribe<Uint8Array>(topic, { signal })) {
        heard(from, value)
      }
    },
  }
}

/**
 * The topics whose readers a node looks for. Announcements are not among them: they go along the
 * connections that there are, and are not worth more of them.
 */
export function wantedTopics(pubsub: Pick<Pubsub, 'topics'>): Pick<Pubsub, 'topics'> {
  return {
    topics: () => pubsub.topics().filter(({ topic }) => topic !== ANNOUNCEMENTS.topic),
  }
}
