import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { testPeer } from '../../test/support/mcp-directory.ts'
import type { PeerId } from '../identity/index.ts'
import { nameTools, placeKey, type ToolPlace } from './catalog-names.ts'

const [SELF, BOB, EVE] = [testPeer(1), testPeer(2), testPeer(3)]
const free = () => undefined
const end = (peer: PeerId) => peer.slice(-6)

function place(peer: PeerId, service: string, tool: string): ToolPlace {
  return { peer, service, tool }
}

const places = fc.uniqueArray(
  fc.record({
    peer: fc.constantFrom(SELF, BOB, EVE),
    service: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/),
    tool: fc.oneof(fc.stringMatching(/^[A-Za-z0-9_./-]{1,128}$/), fc.constantFrom('a.b', 'a_b')),
  }),
  { selector: placeKey, maxLength: 30 },
)

test('nameTools() gives every tool one name that a language model takes', () => {
  fc.assert(
    fc.property(places, (given) => {
      const named = nameTools(given, SELF, free)
      assert.equal(named.size, given.length)
      assert.deepEqual(new Set([...named.values()].map(placeKey)), new Set(given.map(placeKey)))
      for (const name of named.keys()) assert.match(name, /^[a-zA-Z0-9_-]{1,64}$/)
    }),
  )
})

test('nameTools() gives the same names in whatever order the tools are found', () => {
  fc.assert(
    fc.property(places, (given) => {
      const keys = (named: Map<string, ToolPlace>) => {
        return new Map([...named].map(([name, found]) => [name, placeKey(found)]))
      }
      const turned = nameTools(given.toReversed(), SELF, free)
      assert.deepEqual(keys(turned), keys(nameTools(given, SELF, free)))
    }),
  )
})

test('nameTools() is readable where it can be', () => {
  const given = [place(SELF, 'calc', 'add'), place(BOB, 'calc', 'add'), place(EVE, 'calc', 'add')]
  const names = [...nameTools(given, SELF, free).keys()]
  assert.deepEqual(names, ['calc_add', `calc_add_${end(BOB)}`, `calc_add_${end(EVE)}`])
})

test('nameTools() keeps our own names whatever strangers call theirs', () => {
  const own = place(SELF, 'calc', `add_${end(BOB)}`)
  const theirs = place(BOB, 'calc', 'add')
  const named = nameTools([theirs, own], SELF, free)
  assert.equal(named.get(`calc_add_${end(BOB)}`), own)
  assert.equal(named.size, 2)
})

test('nameTools() does not give away a name that another tool had', () => {
  const name = `calc_add_${end(BOB)}`
  const given = (asked: string) => (asked === name ? 'the key of another tool' : undefined)
  const named = nameTools([place(BOB, 'calc', 'add')], SELF, given)
  assert.equal(named.has(name), false)
  assert.equal(named.size, 1)
})

test('nameTools() tells tools apart whose names differ in forbidden characters only', () => {
  const given = [place(SELF, 'fs', 'read.file'), place(SELF, 'fs', 'read/file')]
  const names = [...nameTools(given, SELF, free).keys()]
  assert.equal(new Set(names).size, 2)
  assert.ok(names.every((name) => name.startsWith('fs_read_file_')))
})
