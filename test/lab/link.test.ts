/**
 * The link that the benches stand on: its delay, its loss, its rate, and that nothing of it stays
 * behind.
 *
 *   a (10.78.0.1, fd78::1) ── link.py ── b (10.78.0.2, fd78::2)
 */

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { HOST_A, HOST_B, Link, linkUnavailable, type Traced } from './link.ts'
import { Lab, type Machine } from './netns.ts'

const unavailable = linkUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

const ECHO = `
  const socket = require('node:dgram').createSocket('udp4')
  socket.on('message', (bytes, { port, address }) => socket.send(bytes, port, address))
  socket.bind(7, () => console.log('ready'))`

/** Sends `count` datagrams a millisecond apart; prints how long each echo took. */
const ASK = `
  const [host, count, size] = process.argv.slice(1)
  const socket = require('node:dgram').createSocket('udp4')
  const sent = []
  const times = []
  socket.on('message', (bytes) => times.push(performance.now() - sent[bytes.readUInt32BE()]))
  socket.connect(7, host, () => {
    const timer = setInterval(() => {
      if (sent.length === Number(count)) {
        clearInterval(timer)
        setTimeout(() => { console.log(JSON.stringify(times)); socket.close() }, 500)
        return
      }
      const bytes = Buffer.alloc(Number(size))
      bytes.writeUInt32BE(sent.length)
      sent.push(performance.now())
      socket.send(bytes)
    }, 1)
  })`

const UPLOAD = `
  const [host, bytes] = process.argv.slice(1)
  const began = performance.now()
  const socket = require('node:net').connect(8, host, () => socket.end(Buffer.alloc(Number(bytes))))
  socket.on('data', () => {})
  socket.on('close', () => console.log(performance.now() - began))`

const TAKE = `
  require('node:net')
    .createServer((socket) => socket.resume().on('end', () => socket.end()))
    .listen(8, () => console.log('ready'))`

test('the round trip is 50 ms when the delay is 25 ms each way', { skip }, async () => {
  await using link = await Link.open({ shape: { delayMs: 25, loss: 0 } })
  await served(link.b, ECHO)
  // A machine that was busy elsewhere is late for all of them: the least of three medians counts.
  const medians: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const times = await asked(link.a, 200)
    assert.equal(times.length, 200, 'none is lost')
    medians.push(times.toSorted((a, b) => a - b)[100] ?? 0)
  }
  const median = Math.min(...medians)
  assert.ok(median > 49.9 && median < 53, `the medians are ${medians.join(', ')} ms`)
})

test('each direction has a delay of its own', { skip }, async () => {
  const shape = { ab: { delayMs: 5, loss: 0 }, ba: { delayMs: 40, loss: 0 } }
  await using link = await Link.open({ shape })
  await served(link.b, ECHO)
  const packets = await link.trace(() => asked(link.a, 20))
  const firstBack = packets.find(({ way }) => way === 'ba')
  const firstOut = packets.find(({ way }) => way === 'ab')
  assert.ok(firstBack !== undefined && firstOut !== undefined)
  // When a packet enters is what is noted: the way back has not delayed this one yet.
  const outMs = (firstBack.atUs - firstOut.atUs) / 1_000
  assert.ok(outMs >= 5 && outMs < 15, `the way out took ${outMs} ms`)
})

test('one packet in ten is lost each way, and each that is lost is counted', { skip }, async () => {
  await using link = await Link.open({ shape: { delayMs: 1, loss: 0.1 } })
  await served(link.b, ECHO)
  const times = await asked(link.a, 2_000)
  const { ab, ba } = await link.stats()
  assert.equal(ab.packets, 2_000)
  assert.equal(ab.packets - ab.lost, ba.packets, 'what came through was answered')
  assert.equal(times.length, ba.packets - ba.lost, 'what came back was not lost')
  assert.ok(ab.lost > 140 && ab.lost < 260, `${ab.lost} of 2,000 were lost`)
  assert.equal(ab.overflowed + ba.overflowed + ab.refused + ba.refused, 0)
})

test('loss in bursts is as much in the long run, and comes together', { skip }, async () => {
  const shape = { delayMs: 1, loss: 0.1, burst: 20 }
  await using link = await Link.open({ shape, seed: 3 })
  await served(link.b, ECHO)
  const packets = await link.trace(() => asked(link.a, 3_000))
  const { ab } = await link.stats()
  assert.ok(ab.lost > 120 && ab.lost < 600, `${ab.lost} of 3,000 were lost`)
  // What is answered comes back: a gap in the answers is a burst. One by one there were 270 gaps.
  const numbers = packets.filter(({ way }) => way === 'ba').map(({ start }) => numberOf(start))
  const gaps = numbers.filter((number, i) => i > 0 && number !== (numbers[i - 1] ?? 0) + 1)
  assert.ok(gaps.length > 2 && gaps.length < ab.lost / 5, `${gaps.length} gaps`)
})

test('jitter changes the delay, and not the order', { skip }, async () => {
  const shape = { delayMs: 5, loss: 0, jitterMs: 40 }
  await using link = await Link.open({ shape })
  await served(link.b, ECHO)
  let times: readonly number[] = []
  const packets = await link.trace(async () => {
    times = await asked(link.a, 1_000)
  })
  assert.equal(times.length, 1_000)
  const sorted = times.toSorted((x, y) => x - y)
  const [low = 0, high = 0] = [sorted[100], sorted[900]]
  assert.ok(low > 9.9 && high - low > 10, `eight of ten took from ${low} to ${high} ms`)
  const numbers = packets.filter(({ way }) => way === 'ba').map(({ start }) => numberOf(start))
  assert.deepEqual(
    numbers,
    numbers.toSorted((x, y) => x - y),
  )
})

test('what is lost follows from the seed', { skip }, async () => {
  const lost = async (seed: number) => {
    await using link = await Link.open({ shape: { delayMs: 1, loss: 0.1 }, seed })
    await served(link.b, ECHO)
    await asked(link.a, 300)
    return (await link.stats()).ab.lost
  }
  const [first, again, other] = [await lost(7), await lost(7), await lost(8)]
  assert.equal(first, again)
  assert.notEqual(first, other)
})

test('a rate holds back what is faster, and a full queue drops it', { skip }, async () => {
  const way = { delayMs: 0, loss: 0, rateBps: 10_000_000, queueBytes: 30_000 }
  await using link = await Link.open({ shape: way })
  await served(link.b, TAKE)
  const [took = ''] = await output(link.a, UPLOAD, [HOST_B, '1000000'])
  const mbps = 8_000 / Number(took)
  assert.ok(mbps > 6 && mbps <= 10, `${mbps} Mbit/s`)
  const { ab } = await link.stats()
  assert.ok(ab.overflowed > 0, 'TCP fills a queue until it overflows')
})

test('no packet is larger than a wire would carry, though the sender bundles', {
  skip,
}, async () => {
  await using link = await Link.open({ shape: { delayMs: 0, loss: 0 } })
  await served(link.b, TAKE)
  await output(link.a, UPLOAD, [HOST_B, '20000000'])
  const { ab } = await link.stats()
  assert.equal(ab.longest, 1_514)
  assert.ok(ab.packets > 20_000_000 / 1_460)
  assert.ok(ab.bytes / ab.packets > 1_400, 'and they are full')
})

test('a trace shows every packet, its direction and its first bytes', { skip }, async () => {
  await using link = await Link.open({ shape: { delayMs: 2, loss: 0 } })
  await served(link.b, ECHO)
  const packets = await link.trace(() => asked(link.a, 5))
  assert.deepEqual(packets.map(sourceOf).toSorted(), [
    ...Array<string>(5).fill(`ab ${HOST_A}`),
    ...Array<string>(5).fill(`ba ${HOST_B}`),
  ])
})

test('a link that is closed leaves nothing behind', { skip }, async () => {
  const link = await Link.open({ shape: { delayMs: 0, loss: 0 } })
  const mine = () => namespaces().filter((name) => name.startsWith(`p2plab-${process.pid}-`))
  assert.ok(mine().length >= 2)
  await link[Symbol.asyncDispose]()
  assert.deepEqual(mine(), [])
})

test('an owner that is killed leaves nothing that the next lab does not remove', {
  skip,
}, async () => {
  const code = `
    import { Link } from ${JSON.stringify(new URL('link.ts', import.meta.url).href)}
    const link = await Link.open({ shape: { delayMs: 0, loss: 0 } })
    const [wire] = (await import('node:fs')).readFileSync(
      '/proc/self/task/' + process.pid + '/children', 'utf8').trim().split(' ').slice(-1)
    console.log(wire)
    setInterval(() => {}, 1000)`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', code])
  const lines = createInterface({ input: owner.stdout })
  const [wire] = (await once(lines, 'line')) as [string]
  assert.ok(existsSync(`/proc/${wire}`), 'the link runs')
  const left = () => namespaces().filter((name) => name.startsWith(`p2plab-${owner.pid}-`))
  assert.ok(left().length >= 2)
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  await until(() => !existsSync(`/proc/${wire}`))
  await using _ = new Lab()
  assert.deepEqual(left(), [])
})

/** Runs a program that says `ready` and goes on until the lab ends it. */
async function served(machine: Machine, code: string): Promise<void> {
  const child = machine.spawn(process.execPath, ['-e', code])
  if (child.stdout === null) assert.fail('the child has a standard output')
  await once(child.stdout, 'data')
}

/** Runs a program to its end; the lines that it printed. */
async function output(machine: Machine, code: string, args: readonly string[]) {
  const child = machine.spawn(process.execPath, ['-e', code, ...args])
  if (child.stdout === null) assert.fail('the child has a standard output')
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) lines.push(line)
  return lines
}

async function asked(machine: Machine, count: number): Promise<readonly number[]> {
  const [line = '[]'] = await output(machine, ASK, [HOST_B, String(count), '100'])
  return JSON.parse(line) as number[]
}

/** Direction and IPv4 source (RFC 791 §3.1, after 14 bytes of Ethernet). */
function sourceOf({ way, start }: Traced): string {
  return `${way} ${start.subarray(26, 30).join('.')}`
}

/** The number that `ASK` wrote at the begin of the UDP payload. */
function numberOf(start: Uint8Array): number {
  return Buffer.from(start).readUInt32BE(14 + 20 + 8)
}

function namespaces(): readonly string[] {
  const listed = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
  return listed.split('\n').map((line) => line.split(' ')[0] ?? '')
}

async function until(done: () => boolean): Promise<void> {
  const end = performance.now() + 5_000
  while (!done()) {
    assert.ok(performance.now() < end, 'within five seconds')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
