import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALICE, BOB, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import type { NodeClient } from '../rooms.ts'
import { dhtGet, dhtPut } from './dht.ts'

type Status = Awaited<ReturnType<NodeClient['status']>>
type Report = Awaited<ReturnType<NodeClient['dhtGet']>>

const status = async () => ({ peerId: ALICE }) as Status
const failed = [{ peer: BOB, code: 'BASE_DEADLINE' }]

function putting(args: string[], stored = [BOB]) {
  const puts: string[][] = []
  const node = {
    status,
    async dhtPut(key: string, value: string) {
      puts.push([key, value])
      return { key, version: 3, stored, failed, wanted: 2 }
    },
  }
  return { puts, node, args }
}

function getting(report: Partial<Report>) {
  const keys: string[] = []
  const node = {
    status,
    async dhtGet(key: string) {
      keys.push(key)
      const none = { key, value: null, publisher: null, version: null, encoding: 'text' } as const
      return { ...none, answered: [BOB], failed: [], ...report }
    },
  }
  return { keys, node }
}

test('dht put puts a bare key under the own peer id', async () => {
  const { puts, node, args } = putting(['greeting', 'hello'])
  const { context, printed } = setup({ node, args, json: true })
  await dhtPut.run(context)
  assert.deepEqual(puts, [[`/data/${ALICE}/greeting`, 'hello']])
  assert.deepEqual(printed(), {
    key: `/data/${ALICE}/greeting`,
    version: 3,
    stored: [BOB],
    failed,
    wanted: 2,
  })
})

test('dht put leaves a full key as it is and stores an empty value', async () => {
  const { puts, node, args } = putting(['/data/x/y', ''])
  await dhtPut.run(setup({ node, args }).context)
  assert.deepEqual(puts, [['/data/x/y', '']])
})

test('dht put tells a person who stored it and who did not', async () => {
  const { node, args } = putting(['greeting', 'hello'])
  const { context, stdout } = setup({ node, args })
  await dhtPut.run(context)
  assert.match(stdout.text, new RegExp(`at 1 of 2 peers:\n +${BOB}\n +${BOB} failed BASE_DEADLINE`))
})

test('dht put does not call a record stored that nobody took', async () => {
  const { node, args } = putting(['greeting', 'hello'], [])
  const { context, stdout, seen } = setup({ node, args })
  await assert.rejects(dhtPut.run(context), coded('CLI_NOT_STORED'))
  assert.equal(stdout.text, '')
  assert.equal(seen.closed, 1)
})

for (const args of [[], ['key']]) {
  test(`dht put refuses ${JSON.stringify(args)} before it connects`, async () => {
    const { context, seen } = setup({ args })
    await assert.rejects(dhtPut.run(context), coded('CLI_USAGE'))
    assert.equal(seen.connects, 0)
  })
}

test('dht get prints the value, cleaned, for a person', async () => {
  const { node, keys } = getting({ value: 'hi\u001b[2J' })
  const { context, stdout } = setup({ node, args: ['greeting'] })
  await dhtGet.run(context)
  assert.deepEqual(keys, [`/data/${ALICE}/greeting`])
  assert.equal(stdout.text, 'hi\n')
})

test('dht get says when what it prints is base64', async () => {
  const { node } = getting({ value: '/w==', encoding: 'base64' })
  const { context, stdout, stderr } = setup({ node, args: ['greeting'] })
  await dhtGet.run(context)
  assert.deepEqual([stdout.text, /base64/.test(stderr.text)], ['/w==\n', true])
})

test('dht get prints the whole report for a program', async () => {
  const { node } = getting({ value: 'hi', publisher: ALICE, version: 3 })
  const { context, printed } = setup({ node, args: ['/data/x/y'], json: true })
  await dhtGet.run(context)
  assert.deepEqual(printed(), {
    key: '/data/x/y',
    value: 'hi',
    publisher: ALICE,
    version: 3,
    encoding: 'text',
    answered: [BOB],
    failed: [],
  })
})

test('dht get tells "nobody has it" from "could not ask everybody"', async () => {
  const nobody = setup({ node: getting({}).node, args: ['/a/b'] })
  await assert.rejects(dhtGet.run(nobody.context), coded('CLI_RECORD_NOT_FOUND'))
  const unsure = setup({ node: getting({ failed }).node, args: ['/a/b'] })
  await assert.rejects(dhtGet.run(unsure.context), coded('CLI_RECORD_UNCERTAIN'))
})
