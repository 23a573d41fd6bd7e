import assert from 'node:assert/strict'
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Emitter, silentLog } from '../base/index.ts'
import type { McpEvents, ServiceStatus } from '../mcp/index.ts'
import type { NodeOptions } from './config.ts'
import { createNode } from './open-node.ts'
import { PlugIns } from './plug-ins.ts'

const DICE = `export default ({ tool, z }) => [
  tool('dice', { input: z.object({ sides: z.number() }) }, ({ sides }) => \`1 of \${sides}\`),
]
export const options = { tags: ['games'] }
`

async function folderOf(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-plug-ins-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text, { mode: 0o644 })
  }
  return folder
}

/** The folder loaded beside services that only remember. */
function loading(folder: string, uid = process.getuid?.()) {
  const offered: string[] = []
  const notices: string[] = []
  const clock = new FakeClock()
  const services = {
    events: new Emitter<McpEvents>(() => undefined),
    exposeTools: (name: string) => {
      offered.push(name)
      return { name } as ServiceStatus
    },
    expose: () => assert.fail('no plug-in is a server'),
    unexpose: async () => undefined,
  }
  const plugIns = new PlugIns(
    { folder, uid, services, clock, log: silentLog },
    { startTimeoutMs: 1_000 },
  )
  plugIns.events.on('notice', (notice) => notices.push(notice))
  return { plugIns, offered, notices, clock }
}

async function startsOn(t: TestContext, mcp: NodeOptions['mcp']) {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-plug-ins-data-'))
  t.after(() => rm(dataDir, { recursive: true, force: true }))
  return createNode({ preset: 'test', dataDir, log: { level: 'silent' }, mcp })
}

test('a node offers the tools of its folder, and says which file it left out', async (t) => {
  const broken = 'export default 7'
  const folder = await folderOf(t, { 'dice.mjs': DICE, 'broken.mjs': broken, 'readme.md': '#' })
  await using node = await startsOn(t, { toolsFolder: folder })
  const { content } = await node.tools.call('dice', { sides: 6 })
  assert.deepEqual(content, [{ type: 'text', text: '1 of 6' }])
  const dice = node.services.list().find(({ name }) => name === 'dice')
  assert.deepEqual([dice?.state, dice?.tags], ['ready', ['games']])
  assert.equal(node.notices.length, 1)
  assert.match(node.notices[0] ?? '', /broken\.mjs: its default export is number; wanted a list/)
})

test('a node does not start where the folder is not there', async (t) => {
  const started = startsOn(t, { toolsFolder: 'nowhere' })
  await assert.rejects(started, (error: Error) => {
    assert.match(
      error.message,
      /p2p-plug-ins-data-[^/]+.nowhere: ENOENT.* tools_folder from \[mcp\]/,
    )
    return coded('NODE_PLUG_IN_FOLDER')(error)
  })
})

test('a plug-in is a list or makes one; TypeScript, helpers and tests are known', async (t) => {
  const { href } = new URL('../mcp/index.ts', import.meta.url)
  const list = `import { tool } from '${href}'\nexport default [tool('a', {}, () => 1)]`
  const typed = 'export default async ({ tool }: any) => [tool("b", {}, (): number => 2)]'
  const folder = await folderOf(t, {
    'list.js': list,
    'typed.ts': typed,
    '_helper.js': 'throw new Error("loaded")',
    '.hidden.js': 'throw new Error("loaded")',
    'list.test.js': 'throw new Error("loaded")',
    'typed.d.ts': 'throw new Error("loaded")',
  })
  await mkdir(join(folder, 'lib.js'))
  const { plugIns, offered, notices } = loading(folder)
  await plugIns.start()
  await plugIns.stop()
  assert.deepEqual([offered, notices], [['list', 'typed'], []])
})

test('what is wrong with one file is said, and the others are offered', async (t) => {
  const folder = await folderOf(t, {
    'a-empty.mjs': 'export default []',
    'b-none.mjs': 'export const x = 1',
    'c-other.mjs': 'export default [{}]',
    'd-throws.mjs': 'throw new Error("no such disk\\nat line 3")',
    'e-syntax.mjs': 'export default [',
    'Name.mjs': DICE,
    'open.mjs': DICE,
    'z-sound.mjs': DICE,
  })
  await chmod(join(folder, 'open.mjs'), 0o666)
  const { plugIns, offered, notices } = loading(folder)
  await plugIns.start()
  assert.deepEqual(offered, ['z-sound'])
  const said = [
    /Name\.mjs: its name is that of a service/,
    /a-empty\.mjs: its default export is an empty list/,
    /b-none\.mjs: its default export is undefined/,
    /c-other\.mjs: its default export is a list with something else/,
    /d-throws\.mjs: no such disk\. The others are offered/,
    /e-syntax\.mjs: /,
    /open\.mjs: its mode is 0666, .* chmod go-w /,
  ]
  assert.equal(notices.length, said.length)
  for (const [at, pattern] of said.entries()) assert.match(notices[at] ?? '', pattern)
})

test('a folder in which others may write is refused as a whole', async (t) => {
  const folder = await folderOf(t, { 'dice.mjs': DICE })
  await chmod(folder, 0o777)
  const { plugIns, offered } = loading(folder)
  await assert.rejects(plugIns.start(), coded('NODE_PLUG_IN_EXPOSED'))
  assert.deepEqual(offered, [])
})

test('a folder that belongs to somebody else is refused, whatever its mode', async (t) => {
  const folder = await folderOf(t, { 'dice.mjs': DICE })
  const uid = process.getuid?.() ?? 0
  // Root gives it away; anybody else is taken for another.
  if (uid === 0) await chown(folder, 12_345, 0)
  const { plugIns, offered } = loading(folder, uid === 0 ? 0 : uid + 1)
  await assert.rejects(plugIns.start(), coded('NODE_PLUG_IN_FOREIGN'))
  assert.deepEqual(offered, [])
})

test('a plug-in that does not come to an end is left out', async (t) => {
  const folder = await folderOf(t, { 'slow.mjs': 'export default () => new Promise(() => {})' })
  const { plugIns, notices, clock } = loading(folder)
  const started = plugIns.start()
  const over = started.then(() => true)
  while (!(await Promise.race([over, clock.advance(100).then(() => false)])));
  assert.match(notices[0] ?? '', /slow\.mjs/)
})

test('a plug-in hears of the end of its node', async (t) => {
  const ends = `export default ({ tool, signal }) => {
    signal.addEventListener('abort', () => { globalThis.plugInEnded = true })
    return [tool('a', {}, () => 1)]
  }`
  const { plugIns } = loading(await folderOf(t, { 'ends.mjs': ends }))
  await plugIns.start()
  await plugIns.stop()
  assert.equal((globalThis as { plugInEnded?: boolean }).plugInEnded, true)
})
