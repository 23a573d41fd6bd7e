/**
 * Tier B proves something only if it runs the production modules. So: the files of `src/dht` that
 * the scenarios reach by their imports are those that the node itself is made of, the objects in a
 * world are of their classes, and no core here carries the name of one.
 */

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { Density } from '../../../src/dht/density.ts'
import { Handler } from '../../../src/dht/handler.ts'
import { Lookup } from '../../../src/dht/lookup.ts'
import { Members } from '../../../src/dht/members.ts'
import { Records } from '../../../src/dht/records.ts'
import { Search } from '../../../src/dht/search.ts'
import { RoutingTable } from '../../../src/dht/table.ts'
import { Values } from '../../../src/dht/values.ts'
import { chance } from './chance.ts'
import { EventHeap } from './heap.ts'
import { LINK } from './network.ts'
import { Peers } from './peers.ts'
import { World } from './world.ts'

const root = join(import.meta.dirname, '../../..')
const scenarios = ['lookup', 'liars', 'eclipse'].map((name) => `test/sim/scenarios/${name}.ts`)
/** What a lookup, a read and a write of a node are made of. */
const CORES = [
  'table',
  'lookup',
  'key',
  'site',
  'density',
  'region',
  'members',
  'search',
  'values',
  'records',
  'memory-store',
  'record',
  'validators',
  'handler',
].map((name) => `src/dht/${name}.ts`)

/** The files that `entries` reach by relative imports; types are erased, so they do not count. */
function reached(entries: readonly string[]): Set<string> {
  const seen = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    const text = readFileSync(join(root, file), 'utf8')
    for (const [, what = '', from = ''] of text.matchAll(
      /^(?:import|export) ([^;]*?)from '(\.[^']+)'$/gms,
    )) {
      if (!what.startsWith('type ')) visit(relative(root, join(root, dirname(file), from)))
    }
  }
  for (const entry of entries) visit(entry)
  return seen
}

test('the scenarios of tier B reach the production cores by import', () => {
  const files = reached(scenarios)
  for (const core of CORES) assert.ok(files.has(core), `${core} is not used`)
})

test('they are the files that the node is made of', () => {
  const files = reached(['src/dht/dht.ts', 'src/node/compose.ts'])
  const missing = CORES.filter((core) => !files.has(core))
  assert.deepEqual(missing, [])
})

test('no file of tier B carries the name of a production core', () => {
  const names = readdirSync(import.meta.dirname)
  assert.ok(names.length > 0)
  for (const name of names) {
    assert.ok(!existsSync(join(root, 'src/dht', name)), `test/sim/cores/${name} hides one of src`)
  }
})

test('the nodes of a world are made of the production classes', () => {
  const world = new World({ seed: 1, nodes: 50 })
  world.fillTables(1)
  const [node] = world.nodes
  if (node === undefined) assert.fail()
  assert.ok(node.table instanceof RoutingTable)
  const deps = { world, heap: new EventHeap(), chance: chance(1, 'run') }
  const peers = new Peers(
    { ...deps, adversary: (_, { type }) => ({ type }) },
    { ...LINK, region: true },
  )
  const { members, records, handler, search } = peers.peerOf(node)
  assert.ok(members instanceof Members)
  assert.ok(members.density instanceof Density)
  assert.ok(records instanceof Records)
  assert.ok(handler instanceof Handler)
  assert.ok(search instanceof Search)
  const signer = {
    peer: node.contact.peer,
    publicKey: new Uint8Array(),
    sign: () => new Uint8Array(),
  }
  assert.ok(peers.valuesOf(node, signer) instanceof Values)
})

test('a walk asks whom the production lookup names', async (context) => {
  const start = context.mock.method(Lookup.prototype, 'start')
  const { runTrial } = await import('./trial.ts')
  runTrial({ seed: 1, nodes: 50, lookups: 3 })
  assert.equal(start.mock.callCount(), 3)
})
