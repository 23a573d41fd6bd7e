/**
 * One end of a network bench as a process: `side.ts ours | hub | plain | hyperdht | tls | net`. The
 * serving end is asked to `listen`, the dialling end for everything else.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { serveWorker } from '../harness-worker.ts'
import {
  type Connection,
  type ListenOptions,
  type Pipe,
  type Stack,
  sendAll,
  servePipe,
  type Tally,
  wishBytes,
} from './stack.ts'

const STACKS: Readonly<Record<string, () => Promise<Stack>>> = {
  ours: async () => (await import('./ours.ts')).ours(),
  hub: async () => (await import('./ours.ts')).hub(),
  plain: async () => (await import('./plain.ts')).plain(),
  hyperdht: async () => (await import('./hyperdht.ts')).hyperdht(),
  tls: async () => (await import('./sockets.ts')).tlsSockets(),
  net: async () => (await import('./sockets.ts')).plainSockets(),
}

export interface UdpEcho {
  readonly host: string
  readonly port: number
}

export interface Questions {
  readonly address: string
  readonly bytes: number
  readonly count: number
  readonly beside?: UdpEcho
}

export interface Transfer {
  readonly address: string
  readonly direction: 'up' | 'down'
  readonly bytes: number
  readonly streams: number
  /** What has arrived by then counts; then the connection is to be cut. */
  readonly capMs: number
}

export interface Transferred {
  readonly bytes: number
  readonly ms: number
  readonly whole: boolean
}

const [name = ''] = process.argv.slice(2)
const startStack: () => Promise<Stack> =
  STACKS[name] ?? (() => Promise.reject(new TypeError(`no stack "${name}"`)))
const stack = await startStack()
const gathered: Stack[] = []
const swallowed: Tally = { bytes: 0 }
/** What a transfer left open, until it is cut. */
let uncut: Connection | undefined
const DIAL_REST_MS = 210
const ANSWER_TIMEOUT_MS = 30_000
let lastDialMs = 0

/** A UDP echo beside the stack, to measure the path itself. */
async function listenUdp(host: string): Promise<number> {
  const socket = createSocket('udp4', (bytes, { port, address }) => {
    socket.send(bytes, port, address)
  })
  socket.bind(0, host)
  await once(socket, 'listening')
  return socket.address().port
}

async function listen(options: ListenOptions) {
  const addresses = await stack.listen(options, (pipe) => servePipe(pipe, swallowed))
  return { addresses, udpPort: await listenUdp(options.host) }
}

/** Round trips of single datagrams, in milliseconds. */
async function path(params: UdpEcho & { count: number }): Promise<number[]> {
  const probe = await openProbe(params)
  const times: number[] = []
  for (let i = 0; i < params.count; i += 1) times.push(await probe.ask())
  probe.close()
  return times
}

async function openProbe({ host, port }: UdpEcho) {
  const socket = createSocket('udp4')
  socket.connect(port, host)
  await once(socket, 'connect')
  const ask = async () => {
    const began = performance.now()
    socket.send(Buffer.alloc(32))
    await once(socket, 'message', { signal: AbortSignal.timeout(5_000) })
    return performance.now() - began
  }
  return { ask, close: () => socket.close() }
}

/** From the dial to the first byte of an answer, each time over a new connection. */
async function connect(params: { address: string; count: number }): Promise<number[]> {
  await stack.ready(params.address)
  const times: number[] = []
  for (let i = 0; i < params.count; i += 1) {
    await restUntilDial()
    const began = performance.now()
    const connection = await stack.dial(params.address)
    await ask(await connection.open(), Buffer.concat([wishBytes('echo', 0), Buffer.of(i)]))
    times.push(performance.now() - began)
    await connection.close()
  }
  return times
}

/**
 * Small questions, one after the other, on one stream that is open. With `beside`, a datagram sets
 * out with each question, and what counts is how much later the answer is than its echo.
 */
async function echo(params: Questions): Promise<number[]> {
  const probe = params.beside === undefined ? undefined : await openProbe(params.beside)
  await restUntilDial()
  const connection = await stack.dial(params.address)
  const pipe = await connection.open()
  let answered = Promise.withResolvers<void>()
  let left = 0
  pipe.listen((bytes) => {
    left -= bytes.length
    if (left === 0) answered.resolve()
  })
  await pipe.write(wishBytes('echo', 0))
  const question = Buffer.alloc(params.bytes, 3)
  const times: number[] = []
  for (let i = 0; i < params.count; i += 1) {
    answered = Promise.withResolvers()
    left = question.length
    const began = performance.now()
    const path = probe?.ask()
    await pipe.write(question)
    await answered.promise
    const tookMs = performance.now() - began
    times.push(tookMs - ((await path) ?? 0))
  }
  probe?.close()
  await connection.close()
  return times
}

async function transfer(params: Transfer): Promise<Transferred> {
  const { address, direction, streams, capMs } = params
  await restUntilDial()
  const connection = await stack.dial(address)
  const pipes: Pipe[] = []
  for (let i = 0; i < streams; i += 1) pipes.push(await connection.open())
  const each = Math.floor(params.bytes / streams)
  const received: Tally = { bytes: 0 }
  const began = performance.now()
  const done = Promise.all(
    pipes.map((pipe) => (direction === 'up' ? upload(pipe, each) : download(pipe, each, received))),
  )
  const capped = Promise.withResolvers<void>()
  const timer = setTimeout(() => capped.resolve(), capMs)
  const whole = await Promise.race([done.then(() => true), capped.promise.then(() => false)])
  const ms = performance.now() - began
  clearTimeout(timer)
  done.catch(() => {})
  uncut = connection
  return { bytes: whole ? each * streams : received.bytes, ms, whole }
}

async function upload(pipe: Pipe, bytes: number): Promise<void> {
  const answered = firstBytes(pipe)
  await pipe.write(wishBytes('swallow', bytes))
  await sendAll(pipe, bytes)
  await answered
}

async function download(pipe: Pipe, bytes: number, received: Tally): Promise<void> {
  const arrived = Promise.withResolvers<void>()
  let left = bytes
  pipe.listen((chunk) => {
    received.bytes += chunk.length
    left -= chunk.length
    if (left <= 0) arrived.resolve()
  })
  await pipe.write(wishBytes('send', bytes))
  await arrived.promise
}

/** Gets identities ready to dial, so that `crowd` is dials alone. */
async function gather(params: { address: string; count: number }): Promise<void> {
  for (let i = 0; i < params.count; i += 1) gathered.push(await startStack())
  await Promise.all(gathered.map((one) => one.ready(params.address)))
}

/** Each of those gathered dials at the same time; how long each took, or why it failed. */
async function crowd(params: { address: string }) {
  const began = performance.now()
  const connections: Connection[] = []
  const outcomes = await Promise.all(
    gathered.map(async (one) => {
      try {
        const connection = await one.dial(params.address)
        connections.push(connection)
        const question = Buffer.concat([wishBytes('echo', 0), Buffer.of(1)])
        await answeredInTime(ask(await connection.open(), question))
        return { ms: performance.now() - began }
      } catch (error) {
        return { failed: error instanceof Error ? error.message : String(error) }
      }
    }),
  )
  await Promise.all(connections.map((connection) => connection.close().catch(() => {})))
  return outcomes
}

/** Who is turned away once connected waits for an answer that never comes. */
async function answeredInTime(answer: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(() => late.reject(new TypeError('no answer')), ANSWER_TIMEOUT_MS)
  await Promise.race([answer, late.promise]).finally(() => clearTimeout(timer))
}

async function ask(pipe: Pipe, question: Uint8Array): Promise<void> {
  const answered = firstBytes(pipe)
  await pipe.write(question)
  await answered
}

function firstBytes(pipe: Pipe): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  pipe.listen(() => resolve())
  return promise
}

/** Some listeners take no more than five connections a second from one address. */
async function restUntilDial(): Promise<void> {
  const left = lastDialMs + DIAL_REST_MS - performance.now()
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left))
  lastDialMs = performance.now()
}

await serveWorker({
  listen,
  path,
  connect,
  echo,
  transfer,
  gather,
  crowd,
  cut: () => uncut?.close(),
  forget: () => {
    swallowed.bytes = 0
  },
  swallowed: () => swallowed.bytes,
})
