/**
 * One agent of the laboratory `agents`: a whole node on a machine of its own, asked by JSON lines.
 * What becomes of its messages it tells as it happens, so that nothing of it is lost when it is
 * killed.
 *
 *   node agents-peer.ts DATA-DIR HOST
 *   {"bootstrap": [address, …]}    starts; {"done": Started}
 *   {"say": "text"}                says it to everybody
 *   {"go": Work}                   sends all of it, at its pace; answers at once
 *   {"waiting": true}              how much of its work is not sent yet, or not confirmed
 *   {"report": true}               {"done": Report}: what its reader finds in the inbox
 *
 * Told: {"delivery": …} of its own messages, {"heard": …} of those of others. Ends with its
 * standard input.
 */

import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { Agent, type Delivery } from '../../src/agent/index.ts'
import { type Node, type NodeOptions, openNode, resolveOptions } from '../../src/node/index.ts'

/** What one agent sends. */
export interface Work {
  /** Its recipients, each in turn. */
  readonly to: readonly string[]
  /** Numbers of its messages: from this one, up to that one. */
  readonly from: number
  readonly until: number
  readonly everyMs: number
  /** Every so many of them is for everybody. */
  readonly broadcastEvery: number
}

export interface Started {
  readonly peer: string
  readonly ethAddress: string
  readonly address: string
}

/** A message as its reader finds it. */
export interface Found {
  readonly id: string
  readonly peer: string
  readonly ethAddress: string
  readonly text: string
  readonly broadcast: boolean
  readonly route: string
  readonly receivedAt: number
}

export interface Report {
  readonly inbox: readonly Found[]
  readonly refused: number
  readonly repaired: number
  /** Copies of what was taken before, answered again and not told. */
  readonly copies: number
  /** What its file says of messages of its own: who is killed may not have told the last word. */
  readonly outgoing: readonly Delivery[]
}

interface Question {
  readonly bootstrap?: readonly string[]
  readonly say?: string
  readonly go?: Work
  readonly waiting?: boolean
  readonly report?: boolean
}

const PORT = 9_001
const PAGE = 200
const ROUTES = ['direct', 'gossip', 'mailbox']

const [dataDir = '', host = ''] = process.argv.slice(2)
const bytes = (text: string) => new TextEncoder().encode(text)
let node: Node | undefined
let unsent = 0

for await (const line of createInterface({ input: process.stdin })) {
  tell({ done: await answerTo(JSON.parse(line) as Question) })
}
await node?.stop()
process.exit()

async function answerTo(question: Question): Promise<unknown> {
  const { bootstrap, say, go, waiting, report } = question
  if (bootstrap !== undefined) return start(bootstrap)
  if (say !== undefined) return agent().broadcast(bytes(say))
  if (go !== undefined) return begun(go)
  if (waiting === true) return { unsent, queued: agent().queued }
  return report === true ? reported() : null
}

async function start(nodes: readonly string[]): Promise<Started> {
  const options: NodeOptions = {
    preset: 'test',
    dataDir,
    net: { listen: [`/ip4/${host}/udp/${PORT}/quic-v1`, `/ip4/${host}/tcp/${PORT}`] },
    bootstrap: { nodes: [...nodes] },
    dht: { mode: 'server' },
    agent: { enabled: true },
    log: { level: 'error' },
  }
  const writeLog = () => undefined
  node = await openNode(resolveOptions(options, {}), { version: '0.0.0', writeLog })
  agent().on('delivery', (delivery) => tell({ delivery }))
  agent().on('message', ({ id, from, broadcast }) => {
    tell({ heard: { id, peer: from.peer, broadcast } })
  })
  const address = `/ip4/${host}/udp/${PORT}/quic-v1/p2p/${node.peerId}`
  return { peer: node.peerId, ethAddress: node.ethAddress ?? '', address }
}

/** Sends at its pace, however long each takes. */
function begun({ to, from, until, everyMs, broadcastEvery }: Work): null {
  let number = from
  unsent = until - from
  const timer = setInterval(() => {
    if (number >= until) {
      clearInterval(timer)
      return
    }
    const text = `${agent().peer} ${number}`
    const isForAll = number % broadcastEvery === 0
    const recipient = to[number % to.length] ?? ''
    const said = isForAll
      ? agent().broadcast(bytes(text))
      : agent().send(recipient, bytes(text.padEnd(200)))
    number += 1
    unsent -= 1
    tell({ sent: number })
    said.catch((error: unknown) => tell({ trouble: String(error) }))
  }, everyMs)
  return null
}

async function reported(): Promise<Report> {
  const inbox: Found[] = []
  let cursor: number | undefined
  do {
    const at = cursor === undefined ? {} : { cursor }
    const page = agent().inbox.list({ ...at, limit: PAGE })
    for (const { id, from, body, broadcast, route, receivedAt } of page.messages) {
      const text = new TextDecoder().decode(body).trimEnd()
      const sender = { peer: from.peer, ethAddress: from.address ?? '' }
      inbox.push({ id, ...sender, text, broadcast, route, receivedAt })
    }
    cursor = page.cursor
  } while (cursor !== undefined)
  const { registry } = running()
  const copies = ROUTES.map((route) => {
    return registry.total('p2p_agent_messages_received', { route, outcome: 'repeated' })
  })
  return {
    inbox,
    refused: await registry.total('p2p_agent_messages_refused', {}),
    repaired: await registry.total('p2p_pubsub_repairs', { outcome: 'repaired' }),
    copies: (await Promise.all(copies)).reduce((sum, one) => sum + one, 0),
    outgoing: outgoing(),
  }
}

function outgoing(): readonly Delivery[] {
  const file = new DatabaseSync(join(dataDir, 'outbox.sqlite'), { readOnly: true })
  try {
    const rows = file.prepare('SELECT id, recipient AS "to", state, at FROM outgoing').all()
    return rows as unknown as readonly Delivery[]
  } finally {
    file.close()
  }
}

function running(): Node {
  if (node === undefined) throw new Error('The node has not been started')
  return node
}

/** As it is behind its face: how much of its own waits is no business of programs. */
function agent(): Agent {
  const { agent: found } = running()
  if (!(found instanceof Agent)) throw new Error('The node has no agent')
  return found
}

function tell(told: object): void {
  process.stdout.write(`${JSON.stringify(told)}\n`)
}
