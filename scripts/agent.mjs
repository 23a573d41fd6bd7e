/**
 * `npm run agent`: starts a `p2p-node` process, an agent that speaks through it, and ends both at
 * ctrl-C. It prints who it is and what it is told, and answers each message with an echo, so that
 * two terminals can talk. `npm run node:agent1` is the node without the agent: what happens to it,
 * line by line, until ctrl-C.
 *
 * Both read `.env.agent1`, or the file that ENV_FILE names, where there is one. Every word after
 * `--` is the address of a first peer.
 */

import { existsSync } from 'node:fs'
import { parseArgs, parseEnv } from 'node:util'
import { readEnvFile } from '../src/control/stdio-env-file.ts'

const positionals = firstPeers()
const file = process.env.ENV_FILE ?? '.env.agent1'
if (existsSync(file)) await loadEnvFile()
else console.error(`There is no ${file}: an identity is made in the data folder (.env.example)`)
const { PRIVATE_KEY = '', P2P_NAME: name = 'agent1', P2P_PORT: port = '0' } = process.env
const env = Object.fromEntries(
  Object.entries(process.env).filter(([key]) =>
    /^(?:P2P_(?!NAME$|PORT$|DATA$)|RPC_URL$|REGISTRY_)/.test(key),
  ),
)

const { Agent, P2PNode } = await import('../src/control/launcher.ts')
const dataDir = process.env.P2P_DATA
const options = { env, ...(dataDir && { dataDir }) }
const [first, ...rest] = positionals
const isNodeOnly = first === 'node'
const bootstrapPeers = isNodeOnly ? rest : positionals

try {
  await (isNodeOnly ? runNode() : runAgent())
} catch (error) {
  console.error(error.message)
  process.exit(1)
}

async function runNode() {
  const node = new P2PNode(name, 0, PRIVATE_KEY, options)
  for (const event of ['ready', 'message', 'peer_discovered', 'log']) {
    node.on(event, (said) => console.log(JSON.stringify(said)))
  }
  node.on('error', (error) => console.error(error.message))
  endWith(() => node.stop())
  await node.start()
  await node.connect({ port: Number(port), ...(bootstrapPeers.length > 0 && { bootstrapPeers }) })
}

async function runAgent() {
  const agent = new Agent(name, Number(port), PRIVATE_KEY, { ...options, bootstrapPeers })
  agent.on('message', ({ from, data, id, replyTo }) => {
    console.log(`${from}: ${JSON.stringify(data)}`)
    if (id !== null && replyTo === undefined) {
      agent
        .send(from, { echo: data }, { replyTo: id })
        .catch((error) => console.error(error.message))
    }
  })
  agent.on('error', (error) => console.error(error.message))
  endWith(() => agent.stop())
  await agent.start()
  console.log(`${name} is ${agent.address ?? agent.peerId}`)
  const found = agent.addresses.filter((address) => /^.ip4.*.tcp./.test(address))
  for (const address of found) console.log(`  npm run agent -- ${address}`)
}

function firstPeers() {
  try {
    return parseArgs({ allowPositionals: true }).positionals
  } catch (error) {
    console.error(`${error.message}. Wanted nothing but addresses of first peers`)
    process.exit(1)
  }
}

/** What the environment says itself holds; a file with the key is closed to others. */
async function loadEnvFile() {
  const { text, warning } = await readEnvFile(file)
  for (const [name, value] of Object.entries(parseEnv(text))) process.env[name] ??= value
  if (warning !== undefined) console.error(warning)
}

function endWith(stop) {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      await stop()
      process.exit(0)
    })
  }
}
