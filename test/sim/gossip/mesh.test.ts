/**
 * Tier B of gossip: a modelled mesh around the modules of production, which proves something only
 * if it runs them.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Checks } from '../../../src/pubsub/checks.ts'
import { Conduct } from '../../../src/pubsub/conduct.ts'
import { Outlets } from '../../../src/pubsub/outlets.ts'
import { ReplayGuard } from '../../../src/pubsub/replay-guard.ts'
import { MeshWorld } from './mesh/world.ts'

const TALK = { messages: 10, pauseMs: 250, windowMs: 5_000, text: 'hello' }

function worldOf(seed: number, rings: number): MeshWorld {
  const world = new MeshWorld({ seed, nodes: 40, rings, oneWayMs: 50 })
  world.settle(6_000)
  return world
}

test('every message comes to every other node, and the same seed is the same run', () => {
  const runs = [1, 1, 2].map((seed) => worldOf(seed, 3).talk(TALK))
  for (const { delivered, expected } of runs) {
    assert.equal(expected, 390)
    assert.equal(delivered, expected)
  }
  const [one, again, other] = runs
  assert.equal(one?.eventHash, again?.eventHash)
  assert.notEqual(one?.eventHash, other?.eventHash)
})

test('meshes keep within their bounds where there are more neighbours than they want', () => {
  for (const { mesh, neighbours } of worldOf(3, 16).nodes) {
    assert.ok(neighbours.length > 12)
    assert.ok(mesh.size >= 4 && mesh.size <= 12, `${mesh.size} in a mesh`)
    for (const index of mesh) assert.ok(neighbours.includes(index))
  }
})

test('a mesh is mutual once it has come to rest', () => {
  const { nodes } = worldOf(4, 10)
  for (const { index, mesh } of nodes) {
    for (const other of mesh) assert.ok(nodes[other]?.mesh.has(index), `${index} and ${other}`)
  }
})

test('a node of the model is made of the production classes, and they decide', (context) => {
  const judged = context.mock.method(Checks.prototype, 'judge')
  const refusals = context.mock.method(ReplayGuard.prototype, 'refusal')
  const world = worldOf(5, 3)
  const { delivered } = world.talk(TALK)
  assert.equal(judged.mock.callCount(), delivered)
  assert.equal(refusals.mock.callCount(), delivered)
  const [node] = world.nodes
  assert.ok(node?.checks instanceof Checks)
  assert.ok(node.conduct instanceof Conduct)
  assert.ok(node.outlets instanceof Outlets)
  assert.ok(node.replays.authors > 0)
})

test('who is not heard is not listened to, and leaves the mesh with the next heartbeat', () => {
  const world = worldOf(6, 3)
  const [node] = world.nodes
  const [other = -1] = node?.mesh ?? []
  const peer = world.peerAt(other)
  node?.conduct.offend(peer, 100)
  assert.equal(node?.conduct.isHeard(peer), false)
  node.receive(other, { graft: true })
  node.heartbeat()
  assert.equal(node.mesh.has(other), false)
})
