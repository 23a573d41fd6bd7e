import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { BOB, setup } from '../../test/support/cli-context.ts'
import { coded } from '../../test/support/expect.ts'
import { call } from './commands/call.ts'

const RESULT = '{"content":[{"type":"text","text":"hello"}]}'

async function scratch() {
  const path = await mkdtemp(join(tmpdir(), 'p2p-result-'))
  const remove = () => rm(path, { recursive: true, force: true })
  return { path, file: join(path, 'r.json'), [Symbol.asyncDispose]: remove }
}

/** A call whose result is `text`, of which `sent` comes. */
function calling(options: Record<string, string | boolean>, text = RESULT, sent = text) {
  const sha256 = createHash('sha256').update(text).digest('hex')
  const head = { peer: BOB, bytes: text.length, sha256, isError: false }
  const asked: object[] = []
  const parts = (async function* () {
    for (const char of sent) yield Buffer.from(char)
  })()
  const callOutput = async (request: object) => {
    asked.push(request)
    return { head, parts }
  }
  const given = setup({ args: ['big'], options, node: { callOutput } })
  return { ...given, asked, run: () => call.run(given.context) }
}

test('the result is in its file, for its owner alone, and nothing is beside it', async () => {
  await using folder = await scratch()
  await calling({ output: folder.file }).run()
  assert.equal(await readFile(folder.file, 'utf8'), RESULT)
  assert.equal((await stat(folder.file)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(folder.path), ['r.json'])
})

test('what is there stays unless it is forced, and nobody is asked', async () => {
  await using folder = await scratch()
  await writeFile(folder.file, 'mine')
  const { run, asked } = calling({ output: folder.file })
  await assert.rejects(run(), coded('CLI_OUTPUT_EXISTS'))
  assert.equal(asked.length, 0)
  assert.equal(await readFile(folder.file, 'utf8'), 'mine')
  await calling({ output: folder.file, force: true }).run()
  assert.equal(await readFile(folder.file, 'utf8'), RESULT)
})

test('a result that breaks off, or is not what was sent, leaves no file', async () => {
  await using folder = await scratch()
  for (const sent of [RESULT.slice(0, -1), RESULT.replace('hello', 'jello')]) {
    const { run } = calling({ output: folder.file }, RESULT, sent)
    await assert.rejects(run(), coded('CLI_OUTPUT_BROKEN'))
  }
  assert.deepEqual(await readdir(folder.path), [])
  const nowhere = calling({ output: join(folder.path, 'none', 'r.json') })
  await assert.rejects(nowhere.run(), coded('CLI_OUTPUT_UNWRITABLE'))
})

test('a tool that failed is told, with its result written', async () => {
  await using folder = await scratch()
  const failed = '{"content":[],"isError":true}'
  await assert.rejects(calling({ output: folder.file }, failed).run(), coded('CLI_TOOL_FAILED'))
  assert.equal(await readFile(folder.file, 'utf8'), failed)
  const said = '{"content":[],"structuredContent":{"isError":true}}'
  await calling({ output: folder.file, force: true }, said).run()
})

test('options that do not go together are said', async () => {
  await assert.rejects(calling({ force: true }).run(), coded('CLI_USAGE'))
  await assert.rejects(calling({ output: '-', explain: true }).run(), coded('CLI_USAGE'))
})
