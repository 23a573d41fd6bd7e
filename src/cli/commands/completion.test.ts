import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { BOB, type Setup, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { completion } from './completion.ts'
import { COMMANDS } from './index.ts'

const complete = COMMANDS.find(({ name }) => name === 'complete') ?? assert.fail('not there')

/** What the completion library writes: it knows no stream but the console. */
async function written(t: TestContext, work: Promise<void> | (() => Promise<void>)) {
  const lines: string[] = []
  t.mock.method(console, 'log', (line: string) => lines.push(line))
  await (typeof work === 'function' ? work() : work)
  t.mock.restoreAll()
  return lines
}

async function answers(t: TestContext, given: Setup): Promise<string[]> {
  const lines = await written(t, () => complete.run(setup(given).context))
  return lines.filter((line) => !line.startsWith(':')).map((line) => line.split('\t')[0] ?? '')
}

async function scriptOf(shell: string, json = false): Promise<string> {
  const { context, stdout } = setup({ args: [shell], json })
  await completion.run(context)
  return stdout.text
}

for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
  test(`completion prints a script for ${shell}`, async () => {
    const text = await scriptOf(shell)
    assert.match(text, /p2p/)
    const printed = JSON.parse(await scriptOf(shell, true)) as object
    assert.deepEqual(printed, { shell, script: text.slice(0, -1) })
  })
}

test('the script for bash is one that bash reads', async () => {
  const { status, stderr } = spawnSync('bash', ['-n'], { input: await scriptOf('bash') })
  assert.equal(status, 0, String(stderr))
})

test('completion refuses a shell it does not know', async () => {
  for (const args of [[], ['tcsh']]) {
    await assert.rejects(completion.run(setup({ args }).context), coded('CLI_USAGE'))
  }
})

test('complete offers commands, the words of a group and options', async (t) => {
  assert.deepEqual(await answers(t, { args: ['st'] }), ['start', 'status'])
  assert.deepEqual(await answers(t, { args: ['dht', ''] }), ['put', 'get'])
  assert.deepEqual(await answers(t, { args: ['start', '--api'] }), ['--api-port'])
  assert.deepEqual(await answers(t, { args: ['status', '--js'] }), ['--json'])
  assert.deepEqual(await answers(t, { args: ['status', '--w'] }), ['--watch'])
  assert.deepEqual(await answers(t, { args: ['start', '--preset', 'p'] }), ['public', 'private'])
})

test('complete does not offer itself', async (t) => {
  assert.deepEqual(await answers(t, { args: ['compl'] }), ['completion'])
})

test('complete offers tools by name, but none that a shell could take for more', async (t) => {
  const offered = ['get-sum', 'get-sum', 'get-$(reboot)', 'get-`x`', 'get x']
  const node = {
    tools: async () =>
      offered.map((tool) => ({ tool, service: 's', peer: BOB, description: '', idempotent: true })),
  }
  assert.deepEqual(await answers(t, { args: ['call', 'get'], node }), ['get-sum'])
})

test('complete offers nothing where no node runs', async (t) => {
  assert.deepEqual(await answers(t, { args: ['call', 'get'] }), [])
})
