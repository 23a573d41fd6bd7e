/**
 * One task with grants, typed as a person would type it: three servers that nobody here wrote stand
 * on three nodes, each for whoever was granted, and a fourth node uses them by `p2p call`. Then
 * all that must be refused is tried: no grant, outside of the granted folder, another's token, a
 * token at another node, one that is over, one that was widened.
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import {
  decodeToken,
  encodeNext,
  encodeToken,
  type NextPayload,
} from '../../src/access/capability-codec.ts'
import { secureRandom } from '../../src/base/index.ts'
import { loadKeys, peerId, signedBytes } from '../../src/identity/index.ts'
import { type CliNode, errorOf, type PrintedError, startNode } from '../support/cli.ts'
import { installed } from './suite.ts'

const EVERYTHING = 'node_modules/@modelcontextprotocol/server-everything/dist/index.js'
const FILESYSTEM = '@modelcontextprotocol/server-filesystem/dist/index.js'
const MEMORY = '@modelcontextprotocol/server-memory/dist/index.js'
const EXIT_REFUSED = 6

interface Called {
  readonly content: readonly { readonly text?: string }[]
}

interface Place {
  readonly service: string
  readonly at: CliNode
  readonly grant?: string
}

type Args = Readonly<Record<string, unknown>>

const idOf = (node: CliNode) => node.ready.peerId

test('a task with grants at three nodes, and all that its grants do not allow', async (t) => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'p2p-granted-')))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const shared = join(folder, 'shared')
  await mkdir(shared)
  await writeFile(join(folder, 'private.txt'), 'nobody else may read this')
  await using sums = await startNode()
  const joins = [`--bootstrap=${sums.address()}`]
  await using files = await startNode(joins)
  await using notes = await startNode(joins)
  await using user = await startNode(joins)
  const graph = join(folder, 'graph.jsonl')
  await expose(sums, 'everything', [EVERYTHING, 'stdio'])
  // The server itself may reach all of the folder: what is refused below, our grant refuses.
  await expose(files, 'files', [installed(FILESYSTEM), folder])
  await expose(notes, 'memory', [installed(MEMORY)], [`--env=MEMORY_FILE_PATH=${graph}`])

  const store = { service: 'files', at: files }
  await t.test(
    'nothing before there are grants, and the refusal says what to ask for',
    async () => {
      for (const [tool, place] of [
        ['get-sum', { service: 'everything', at: sums }],
        ['read_text_file', store],
        ['create_entities', { service: 'memory', at: notes }],
      ] as const) {
        const { code, message } = await refused(user, place, tool, {})
        assert.equal(code, 'ACCESS_GRANT_MISSING')
        assert.ok(message.includes(`p2p grant ${place.service} --to ${idOf(user)}`), message)
        assert.ok(message.includes(`"--tool ${tool}" is enough`), message)
      }
    },
  )

  const grants = await granted({ sums, files, notes, user, shared })
  const answer = join(shared, 'answer.txt')
  await t.test('the task: a sum, written to a file, read back, remembered', async () => {
    const sum = await call(user, { service: 'everything', at: sums }, 'get-sum', { a: 2, b: 40 })
    assert.match(sum, /42/)
    await call(user, store, 'write_file', { path: answer, content: sum })
    assert.equal(await readFile(answer, 'utf8'), sum)
    assert.equal(await call(user, store, 'read_text_file', { path: answer }), sum)
    const entities = [{ name: 'answer', entityType: 'number', observations: [sum] }]
    const memory = { service: 'memory', at: notes }
    await call(user, memory, 'create_entities', { entities })
    assert.match(await call(user, memory, 'search_nodes', { query: 'answer' }), /42/)
  })

  await t.test('outside of the granted folder', async () => {
    for (const path of [join(folder, 'private.txt'), `${shared}/../private.txt`, '/etc/hostname']) {
      const { code, message } = await refused(user, store, 'read_text_file', { path })
      assert.equal(code, 'ACCESS_GRANT_MISSING')
      assert.ok(message.includes(`argument "path" is outside the grant`), message)
      assert.ok(message.includes(`inside ${shared}`), message)
      assert.ok(message.includes('p2p grant files --tool read_text_file'), message)
    }
  })

  await t.test('a peer without the grant, and one with the token of another', async () => {
    const none = await refused(notes, store, 'read_text_file', { path: answer })
    assert.equal(none.code, 'ACCESS_GRANT_MISSING')
    assert.match(none.message, new RegExp(`no grant allows it.*--to ${idOf(notes)}`))
    const stolen = { ...store, grant: grants.read }
    const theft = await refused(notes, stolen, 'read_text_file', { path: answer })
    assert.equal(theft.code, 'ACCESS_GRANT_AUDIENCE')
    const kept = await notes.p2p('--json', 'grant', 'accept', grants.read)
    assert.equal(errorOf(kept).code, 'ACCESS_GRANT_AUDIENCE')
  })

  await t.test('the token of one node at another that has the same service', async () => {
    await expose(sums, 'files', [installed(FILESYSTEM), folder])
    const elsewhere = { service: 'files', at: sums, grant: grants.read }
    const { code } = await refused(user, elsewhere, 'read_text_file', { path: answer })
    assert.equal(code, 'ACCESS_GRANT_MISSING')
  })

  await t.test('a token that was widened, by the command and by its own holder', async () => {
    const wide = ['--arg', `path=prefix:${folder}`, '--to', idOf(notes)]
    const asked = await user.p2p('--json', 'grant', 'delegate', grants.read, ...wide)
    assert.equal(errorOf(asked).code, 'ACCESS_GRANT_WIDENED')
    const forged = await widened(user, grants.read, {
      audience: peerId(idOf(notes)),
      tool: 'write_file',
    })
    const place = { ...store, grant: forged }
    const { code } = await refused(notes, place, 'write_file', { path: answer, content: '' })
    assert.equal(code, 'ACCESS_GRANT_WIDENED')
  })

  await t.test('a token that is over, used up or taken back', async () => {
    const brief = await grant(files, 'files', user, ['--tool', 'directory_tree', '--expires', '1s'])
    await wait(1_100)
    const late = { ...store, grant: brief.token }
    const over = await refused(user, late, 'directory_tree', { path: shared })
    assert.equal(over.code, 'ACCESS_GRANT_EXPIRED')
    const once = await grant(files, 'files', user, ['--tool', 'get_file_info', '--calls', '1'])
    const twice = { ...store, grant: once.token }
    await call(user, twice, 'get_file_info', { path: answer })
    const spent = await refused(user, twice, 'get_file_info', { path: answer })
    assert.equal(spent.code, 'ACCESS_GRANT_USED_UP')
    await files.json('revoke', grants.readId)
    const ended = await refused(user, store, 'read_text_file', { path: answer })
    assert.match(ended.code, /^ACCESS_GRANT_(REVOKED|MISSING)$/)
    assert.equal(await readFile(answer, 'utf8'), 'The sum of 2 and 40 is 42.')
  })

  await t.test('the audit log of the node tells each of them', async () => {
    const lines = (await files.json('audit')) as readonly { code: string | null; peer: string }[]
    const codes = new Set(lines.map(({ code }) => code))
    for (const code of ['MISSING', 'AUDIENCE', 'WIDENED', 'EXPIRED', 'USED_UP']) {
      assert.ok(codes.has(`ACCESS_GRANT_${code}`), `${code} in ${[...codes].join(' ')}`)
    }
    assert.ok(codes.has(null), 'calls that were allowed are in it as well')
  })
})

async function expose(
  node: CliNode,
  name: string,
  words: readonly string[],
  options: readonly string[] = [],
): Promise<void> {
  const how = [`--name=${name}`, '--allow=granted', '--detach', ...options]
  const { code, stderr } = await node.p2p('expose', ...how, '--', process.execPath, ...words)
  assert.equal(code, 0, stderr)
}

interface Given {
  readonly id: string
  readonly token: string
}

async function grant(at: CliNode, service: string, to: CliNode, limits: readonly string[]) {
  return (await at.json('grant', service, '--to', idOf(to), ...limits)) as Given
}

/** What the task needs and no more, given by the three owners and kept by the user. */
async function granted(net: {
  readonly sums: CliNode
  readonly files: CliNode
  readonly notes: CliNode
  readonly user: CliNode
  readonly shared: string
}): Promise<{ read: string; readId: string }> {
  const { sums, files, notes, user } = net
  const inside = ['--arg', `path=prefix:${net.shared}`]
  const read = await grant(files, 'files', user, ['--tool', 'read_text_file', ...inside])
  const all = [
    read,
    await grant(files, 'files', user, ['--tool', 'write_file', ...inside]),
    await grant(sums, 'everything', user, ['--tool', 'get-sum', '--arg', 'a=max:10']),
    await grant(notes, 'memory', user, ['--calls', '5']),
  ]
  for (const { token } of all) await user.json('grant', 'accept', token)
  return { read: read.token, readId: read.id }
}

function ask(from: CliNode, { service, at, grant: token }: Place, tool: string, args: Args) {
  const place = ['--service', service, '--peer', idOf(at)]
  const shown = token === undefined ? [] : ['--grant', token]
  return from.p2p('--json', 'call', tool, JSON.stringify(args), ...place, ...shown)
}

/** The text that the tool answered. */
async function call(from: CliNode, place: Place, tool: string, args: Args): Promise<string> {
  const { code, stdout, stderr } = await ask(from, place, tool, args)
  assert.equal(code, 0, stderr)
  const { content } = JSON.parse(stdout) as Called
  return content.map(({ text = '' }) => text).join('')
}

/** Why the other node refused; the command must say so and end as one that was refused. */
async function refused(from: CliNode, place: Place, tool: string, args: Args) {
  const run = await ask(from, place, tool, args)
  assert.equal(run.code, EXIT_REFUSED, run.stderr + run.stdout)
  const error: PrintedError = errorOf(run)
  assert.equal(error.code, 'MCP_GRANT_REFUSED', run.stderr)
  return { code: String(error.facts.code), message: error.message }
}

/** A block that takes nothing away and adds, signed by the holder itself with its own key. */
async function widened(
  holder: CliNode,
  token: string,
  more: Pick<NextPayload, 'audience' | 'tool'>,
) {
  const keys = await loadKeys(join(holder.dataDir, 'identity.key'))
  const [root] = decodeToken(token)
  assert.ok(keys !== undefined && root !== undefined)
  const domain = 'p2p-foundation capability 1'
  const head = signedBytes(domain, ['main', new Uint8Array(), root.payload])
  const before = createHash('sha256').update(head).digest()
  const payload = encodeNext({ nonce: secureRandom.bytes(16), ...more })
  const signature = keys.signer.sign(signedBytes(domain, ['main', before, payload]))
  return encodeToken([root, { payload, signature }])
}
