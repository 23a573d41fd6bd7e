/**
 * The attacker: `connects` connections within `ms` from all its addresses in turn, half of which
 * stop at the open socket and half after the handshake; then they say nothing and stay. With
 * `isSteady` it opens again what is cut, so that there are always as many.
 *
 * Usage: hostile-attacker.ts <json of `Attack`>; prints one line of JSON at the end of each second.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { openSocket, quicDialler, shaker } from './hostile-dialler.ts'

export interface Attack {
  readonly target: { readonly host: string; readonly port: number; readonly transport: string }
  readonly addresses: readonly string[]
  readonly connects: number
  readonly ms: number
  /** The share that goes on to the handshake. */
  readonly handshakes: number
}

const attack = JSON.parse(process.argv[2] ?? '{}') as Attack
const { target, addresses, connects, ms, handshakes } = attack
const done = { tried: 0, sockets: 0, handshakes: 0, failed: 0, seconds: 0, isOver: false }
const kept: unknown[] = []
const shakers = await Promise.all(addresses.map(shaker))
const overQuic = target.transport === 'quic' ? await quicDialler() : undefined

tell()
const began = performance.now()
let reportedAt = began
while (done.tried < connects) {
  const due = Math.min(connects, Math.ceil(((performance.now() - began) / ms) * connects))
  for (; done.tried < due; done.tried += 1) void attempt(done.tried)
  await wait(5)
  done.seconds = (performance.now() - began) / 1_000
  if (performance.now() - reportedAt < 1_000) continue
  reportedAt = performance.now()
  tell()
}
done.isOver = true
tell()
// What is open stays open until the lab ends this process.
setInterval(() => kept.length, 60_000)

async function attempt(i: number): Promise<void> {
  const address = addresses[i % addresses.length] ?? ''
  const goesOn = (i * 0.618_034) % 1 < handshakes
  try {
    if (overQuic !== undefined) {
      kept.push(await overQuic(target.host, target.port))
      done.handshakes += 1
    } else if (goesOn) {
      const shake = shakers[i % shakers.length]
      kept.push(await shake?.(`/ip4/${target.host}/tcp/${target.port}`))
      done.handshakes += 1
    } else {
      const socket = await openSocket(target.host, target.port, address)
      socket.on('error', () => undefined)
      kept.push(socket)
      done.sockets += 1
    }
  } catch {
    done.failed += 1
  }
}

function tell(): void {
  process.stdout.write(`${JSON.stringify(done)}\n`)
}
