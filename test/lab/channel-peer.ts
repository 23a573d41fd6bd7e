/**
 * A program with a node of its own and a lasting channel, asked by JSON lines.
 *
 *   node channel-peer.ts DATA-DIR FIRST-PEER…
 *   {"serve": true}                          echoes every frame of the protocol back
 *   {"open": "<peer id>", "everyMs": 20}     writes 1, 2, 3 … and reads the echoes, until told to stop
 *   {"stop": true}                           waits until all is confirmed and echoed, and reports
 *
 * The report counts what came twice, out of order or not at all, and the longest wait between two
 * echoes. Ends with its standard input.
 */

import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { createNode, type LastingChannel } from '../../src/index.ts'

const PROTOCOL = 'lab-count/1'
const CONNECT_TRIES = 40

interface Asked {
  readonly serve?: boolean
  readonly open?: string
  readonly everyMs?: number
  readonly stop?: boolean
}

/** What a writer saw; the same words as `ChannelReport` in `uplink.ts`. */
class Writer {
  readonly #channel: LastingChannel
  readonly #failures: string[] = []
  #written = 0
  #echoed = 0
  #doubled = 0
  #disordered = 0
  #lastMs = performance.now()
  #longestMs = 0
  #stopping = false
  readonly #writing: Promise<void>
  readonly #reading: Promise<void>

  constructor(channel: LastingChannel, everyMs: number) {
    this.#channel = channel
    const note = (error: unknown) => void this.#failures.push(String(error))
    this.#writing = this.#write(everyMs).catch(note)
    this.#reading = this.#read().catch(note)
  }

  async stop(): Promise<object> {
    this.#stopping = true
    await this.#writing
    const end = performance.now() + 30_000
    while (this.#echoed < this.#written && performance.now() < end && this.#failures.length === 0) {
      await wait(50)
    }
    await this.#channel.close().catch((error: unknown) => this.#failures.push(String(error)))
    await this.#reading
    return {
      written: this.#written,
      echoed: this.#echoed,
      doubled: this.#doubled,
      disordered: this.#disordered,
      longestMs: Math.round(this.#longestMs),
      failures: this.#failures,
    }
  }

  async #write(everyMs: number): Promise<void> {
    while (!this.#stopping) {
      await this.#channel.write(new TextEncoder().encode(String(this.#written + 1)))
      this.#written += 1
      await wait(everyMs)
    }
  }

  async #read(): Promise<void> {
    for await (const frame of this.#channel) {
      const now = performance.now()
      this.#longestMs = Math.max(this.#longestMs, now - this.#lastMs)
      this.#lastMs = now
      const number = Number(new TextDecoder().decode(frame))
      if (number <= this.#echoed) this.#doubled += 1
      else if (number !== this.#echoed + 1) this.#disordered += 1
      this.#echoed = Math.max(this.#echoed, number)
    }
  }
}

const [dataDir = '', ...firstPeers] = process.argv.slice(2)
await using node = await createNode({
  dataDir,
  bootstrap: { nodes: firstPeers, mdns: false },
  log: { level: process.env.LAB_LOG === undefined ? 'error' : 'info' },
})
let writer: Writer | undefined
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
say({ peer: node.peerId })

for await (const line of createInterface({ input: process.stdin })) {
  say({ done: await obey(JSON.parse(line) as Asked) })
}
process.exit(0)

async function obey({ serve, open, everyMs = 20, stop }: Asked): Promise<unknown> {
  if (serve === true) {
    node.onChannel(PROTOCOL, async (channel) => {
      for await (const frame of channel) await channel.write(frame)
    })
  }
  if (open !== undefined) {
    await connected(open)
    writer = new Writer(await node.channel(open, PROTOCOL), everyMs)
    return (await node.peers()).find(({ peer }) => peer === open)?.connections
  }
  return stop === true && writer !== undefined ? writer.stop() : 'ready'
}

/** Both start at the same time: the other may not be known yet. */
async function connected(peer: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await node.connect(peer)
      return
    } catch (error) {
      if (tries === CONNECT_TRIES) throw error
      await wait(250)
    }
  }
}
