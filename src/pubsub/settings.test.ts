import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createPeerScoreParams,
  createTopicScoreParams,
  defaultPeerScoreThresholds,
} from '@libp2p/gossipsub/score'
import { UNHEARD_SCORE } from './conduct.ts'
import { pubsubConfig } from './config.ts'
import { gossipsubSettings, PEER_SCORE, SCORE_THRESHOLDS, TOPIC_SCORE } from './settings.ts'

const settings = (config = {}) => gossipsubSettings(pubsubConfig.parse(config), () => -3)

test('every parameter of scoring is named, so that none is the library’s to choose', () => {
  const named = (ours: object, theirs: object) =>
    assert.deepEqual(Object.keys(ours).toSorted(), Object.keys(theirs).toSorted())
  named({ ...PEER_SCORE, appSpecificScore: 0 }, createPeerScoreParams({}))
  named(TOPIC_SCORE, createTopicScoreParams({}))
  named(SCORE_THRESHOLDS, defaultPeerScoreThresholds)
  const { scoreParams, scoreThresholds } = settings()
  assert.equal(scoreParams?.appSpecificScore?.('p'), -3)
  assert.equal(scoreThresholds?.graylistThreshold, UNHEARD_SCORE)
})

test('what we publish goes to all, and every mesh keeps peers that we dialled', () => {
  assert.deepEqual([settings().floodPublish, settings().Dout], [true, 2])
  // GossipSub v1.1: below D_low, and at most half of D.
  for (const [meshPeersMin, meshPeers] of [
    [1, 1],
    [2, 2],
    [2, 6],
    [3, 3],
    [6, 6],
  ] as const) {
    const { Dout = -1 } = settings({ meshPeersMin, meshPeers })
    assert.ok(Dout >= 0 && Dout < meshPeersMin && Dout <= meshPeers / 2)
  }
})
