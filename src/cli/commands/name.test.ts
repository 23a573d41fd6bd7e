import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALICE, BOB, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import type { ClaimReport, NameReport } from '../../node/index.ts'
import { nameClaim, nameFind } from './name.ts'

const CLAIMED: ClaimReport = { name: 'alice', peer: ALICE, stored: [BOB], failed: [], wanted: 20 }
const FOUND: NameReport = {
  name: 'alice',
  claims: [{ peer: ALICE }, { peer: BOB }],
  more: false,
  answered: [BOB],
  failed: [],
  complete: true,
}

test('name claim says who holds the claim, and that others may claim the name', async () => {
  const { context, stdout } = setup({ args: ['alice'], node: { nameClaim: async () => CLAIMED } })
  await nameClaim.run(context)
  assert.match(stdout.text, /held by 1 of 20 peers/)
  assert.match(stdout.text, /Others may claim it as well/)
})

test('name claim fails where nobody holds the claim', async () => {
  const node = { nameClaim: async () => ({ ...CLAIMED, stored: [] }) }
  await assert.rejects(
    nameClaim.run(setup({ args: ['alice'], node }).context),
    coded('CLI_NOT_STORED'),
  )
})

test('name find shows every claim as unverified', async () => {
  const { context, stdout } = setup({ args: ['alice'], node: { nameFind: async () => FOUND } })
  await nameFind.run(context)
  assert.match(stdout.text, /"alice" is claimed by 2 peers:/)
  for (const peer of [ALICE, BOB]) assert.match(stdout.text, new RegExp(`${peer} unverified`))
})

test('name find tells nobody from not everybody asked', async () => {
  const nobody = { ...FOUND, claims: [] }
  const failed = [{ peer: BOB, code: 'NET_CONNECT_FAILED' }]
  for (const [report, code] of [
    [nobody, 'CLI_NAME_NOT_FOUND'],
    [{ ...nobody, failed }, 'CLI_NAME_UNCERTAIN'],
  ] as const) {
    const { context } = setup({ args: ['alice'], node: { nameFind: async () => report } })
    await assert.rejects(nameFind.run(context), coded(code))
  }
})

test('neither asks the node without a name', async () => {
  for (const command of [nameClaim, nameFind]) {
    const { context, seen } = setup({ args: [] })
    await assert.rejects(command.run(context), coded('CLI_USAGE'))
    assert.equal(seen.connects, 0)
  }
})
