/**
 * The programs that the agent document prints, run as they are printed: beside `./dist/p2p-node`,
 * and over the classes of `p2p-foundation/launcher`.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = new URL('../../', import.meta.url)
const BIN = fileURLToPath(new URL('bin/p2p-node', ROOT))
const LAUNCHER = new URL('src/control/launcher.ts', ROOT).href
const SOON_MS = 60_000

/** "Example Usage". */
const SPAWNED = `import { spawn } from "child_process";

// Start the node
const node = spawn("./dist/p2p-node", ["-p", "8000"]);

// Send commands
node.stdin.write(
  JSON.stringify({
    type: "connect",
    port: 8000,
  }) + "\\n"
);

// Handle events
node.stdout.on("data", (data) => {
  const events = data.toString().split("\\n").filter(Boolean);
  for (const event of events) {
    const parsed = JSON.parse(event);
    console.log("Received event:", parsed);
  }
});

// Clean shutdown
process.on("SIGTERM", () => {
  node.stdin.write(JSON.stringify({ type: "shutdown" }) + "\\n");
});
`

/** "Flow", 1. */
const LAUNCHED = `
   // Create and start P2P node via SDK
   const node = new P2PNode(agentName, grpcPort, privateKey);
   await node.start();

   // Create and start agent
   const agent = new Agent(agentName, p2pPort, privateKey);
   await agent.start();
`

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'p2p-document-'))
  t.after(() => rm(made, { recursive: true, force: true }))
  return made
}

/** A program in its folder, among nodes that find none but those they are told of. */
function run(t: TestContext, file: string, cwd: string) {
  const { PRIVATE_KEY: _, ...env } = process.env
  const alone = { P2P_NETWORK_PRESET: 'test', P2P_NETWORK_MDNS: 'false', HOME: cwd }
  const child = spawn(process.execPath, [file], {
    cwd,
    env: { ...env, ...alone, P2P_DATA: join(cwd, 'data') },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const said: string[] = []
  const exit = once(child, 'exit') as Promise<[number | null]>
  const line = async (wanted: RegExp) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const late = () => reject(new TypeError(`no line ${wanted}; there is ${said.join('\n')}`))
    const timer = setTimeout(late, SOON_MS)
    const heard = (text: string) => wanted.test(text) && resolve(text)
    for (const text of said) heard(text)
    lines.on('line', heard)
    void exit.then(late)
    return promise.finally(() => clearTimeout(timer))
  }
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (text) => said.push(text))
  return { child, line, exit }
}

/** The port that the document says, or a free one where somebody holds it. */
async function portInsteadOf(port: number): Promise<number> {
  for (const tried of [port, 0]) {
    const server = createServer()
    const { promise, resolve } = Promise.withResolvers<number | undefined>()
    server.once('error', () => resolve(undefined))
    server.listen(tried, () => resolve((server.address() as { port: number }).port))
    const found = await promise
    server.close()
    if (found !== undefined) return found
  }
  return assert.fail('no port is free')
}

test('the example of the agent document works as it is printed', async (t) => {
  const cwd = await folder(t)
  await mkdir(join(cwd, 'dist'))
  await symlink(BIN, join(cwd, 'dist', 'p2p-node'))
  const port = await portInsteadOf(8_000)
  await writeFile(join(cwd, 'example.mjs'), SPAWNED.replaceAll('8000', String(port)))
  const { child, line, exit } = run(t, 'example.mjs', cwd)
  await line(/type: 'ready'/)
  await line(new RegExp(`/tcp/${port}/`))
  child.kill('SIGTERM')
  await line(/'stopping'/)
  assert.deepEqual((await exit)[0], 0)
})

test('the flow of the agent document works as it is printed', async (t) => {
  const cwd = await folder(t)
  const program = `import * as launcher from ${JSON.stringify(LAUNCHER)}
const options = { dataDir: ${JSON.stringify(join(cwd, 'data'))}, env: process.env }
class P2PNode extends launcher.P2PNode {
  constructor(name, port, key) { super(name, port, key, options) }
}
const { Agent } = launcher
const [agentName, grpcPort, p2pPort, privateKey] = ['agent1', 0, 0, '${'d0'.repeat(32)}']
${LAUNCHED}
console.log('agent', agent.address, agent.address === node.address)
await agent.stop()
console.log('node', node.state)
await node.stop()
`
  const file = join(cwd, 'flow.mjs')
  await writeFile(file, program)
  const { line, exit } = run(t, pathToFileURL(file).pathname, cwd)
  assert.match(await line(/^agent/), /^agent 0x[0-9a-fA-F]{40} true$/)
  assert.equal(await line(/^node/), 'node running')
  assert.deepEqual((await exit)[0], 0)
})
