/**
 * The scripts that the agent document runs (`node:agent1`, `agent`, `explorer`) as processes, with a
 * home and an environment file of their own.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const SCRIPTS = fileURLToPath(new URL('../../scripts', import.meta.url))
const KEY = `0x${'c1'.repeat(32)}`
const SOON_MS = 60_000

let home = ''
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'p2p-scripts-'))
})
after(() => rm(home, { recursive: true, force: true }))

interface Script extends AsyncDisposable {
  readonly child: ChildProcess
  /** The first line that fits. */
  line(wanted: RegExp): Promise<string>
  end(): Promise<number | null>
}

function run(name: string, args: readonly string[], env: Readonly<Record<string, string>>): Script {
  const { P2P_DATA: _, PRIVATE_KEY: __, ...rest } = process.env
  const own = { HOME: home, XDG_DATA_HOME: join(home, 'data'), P2P_NETWORK_PRESET: 'test' }
  const child = spawn(process.execPath, [join(SCRIPTS, `${name}.mjs`), ...args], {
    cwd: home,
    env: { ...rest, ...own, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exit = once(child, 'exit') as Promise<[number | null]>
  const said: string[] = []
  const waiting = new Set<(line: string) => void>()
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      said.push(line)
      for (const heard of waiting) heard(line)
    })
  }
  const end = async () => {
    child.kill('SIGINT')
    const late = setTimeout(() => child.kill('SIGKILL'), SOON_MS / 4)
    const [code] = await exit
    clearTimeout(late)
    return code
  }
  return {
    child,
    end,
    async line(wanted) {
      const { promise, resolve, reject } = Promise.withResolvers<string>()
      const heard = (line: string) => {
        if (wanted.test(line)) resolve(line)
      }
      for (const line of said) heard(line)
      waiting.add(heard)
      const late = () => reject(new TypeError(`no line ${wanted}; there is ${said.join('\n')}`))
      const timer = setTimeout(late, SOON_MS)
      void exit.then(late)
      return promise.finally(() => {
        clearTimeout(timer)
        waiting.delete(heard)
      })
    },
    [Symbol.asyncDispose]: async () => {
      await end()
    },
  }
}

test('node:agent1 reads its file, closes it to others, and the explorer finds that node', async () => {
  const file = join(home, '.env.agent1')
  await writeFile(file, `PRIVATE_KEY=${KEY}\nREGISTRY_ADDRESS=\nRPC_URL=\n`, { mode: 0o644 })
  await using node = run('agent', ['node'], {})
  const ready = JSON.parse(await node.line(/"type":"ready"/)) as { ethAddress: string }
  assert.match(ready.ethAddress, /^0x[0-9a-fA-F]{40}$/)
  if (process.platform !== 'win32') assert.equal((await stat(file)).mode & 0o777, 0o600)

  await using explorer = run('explorer', ['--', '--json'], {})
  const seen = JSON.parse(await explorer.line(/^\{/)) as { status: { ethAddress: string } }
  assert.equal(seen.status.ethAddress, ready.ethAddress)
  assert.equal(await explorer.end(), 0)
  assert.equal(node.child.exitCode, null, 'the explorer leaves a node alone that is not its own')
  assert.equal(await node.end(), 0)
})

test('the explorer starts a node where none runs, and ends it with itself', async () => {
  await using explorer = run('explorer', ['--json'], {})
  const seen = JSON.parse(await explorer.line(/^\{/)) as { status: { network: string } }
  assert.ok(seen.status.network.length > 0)
  assert.equal(await explorer.end(), 0)
  const left = join(home, 'data', 'p2p-foundation', 'agents', 'explorer', 'node.json')
  await assert.rejects(stat(left), { code: 'ENOENT' })
})

test('two agents of the script talk: each answers what it is told with an echo', async () => {
  await using first = run('agent', [], { P2P_NAME: 'one', ENV_FILE: 'none' })
  const where = (await first.line(/ip4.127\.0\.0\.1.tcp/)).trim().split(' ').at(-1) ?? ''
  const address = /is (0x\w{40})/.exec(await first.line(/^one is 0x/))?.[1] ?? ''
  await using second = run('agent', [where], { P2P_NAME: 'two', ENV_FILE: 'none' })
  await second.line(/^two is 0x/)
  const { openClient } = await import('../../src/control/index.ts')
  const folder = join(home, 'data', 'p2p-foundation', 'agents', 'two')
  await using client = await openClient(folder)
  const signal = AbortSignal.timeout(SOON_MS)
  await client.messageSend({ to: address, data: 'hello' }, { signal })
  await first.line(/^0x\w{40}: "hello"$/)
  await second.line(new RegExp(`^${address}: \\{"echo":"hello"\\}$`))
})
