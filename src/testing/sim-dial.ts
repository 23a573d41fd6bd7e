/**
 * How a simulated stream begins: as TCP with Noise on it, in packets and round trips.
 *
 *   dialler                     listener
 *      | ---- connect ------------> |    a router before it may drop this; silence then
 *      | <--- accept, or reset ---- |    1 round trip
 *      | ---- first of Noise -----> |
 *      | <--- second -------------- |    2 round trips: the dialler may send
 *      | ---- third, with data ---> |    2½: the listener has the connection
 *
 * Nothing is encrypted: at a thousand nodes the real handshake is most of the time, and it decides
 * nothing here. Its bytes and its round trips are counted as they would be.
 */

import type { UdpEndpoint } from '../net/index.ts'
import { TestingError } from './errors.ts'
import type { SimHost, SimNetwork } from './sim-network.ts'
import { SimSocket } from './sim-socket.ts'

/** Of Noise XX with an Ed25519 identity: what each side sends before it may send data. */
const NOISE_BYTES = [64, 224, 176] as const
/** Linux sends a connect again after 1, 3, 7, 15… seconds. */
const CONNECT_RETRY_MS = 1_000

/** Resolves with the dialler's end, which may be written to at once; the listener has the other. */
export async function dialHost(
  network: SimNetwork,
  from: SimHost,
  to: UdpEndpoint,
  { signal, identity }: { readonly signal: AbortSignal; readonly identity: unknown },
): Promise<SimSocket> {
  const fromPort = from.portNext
  from.portNext += 1
  const publicPort = from.nat.leaves(fromPort, to, network.time.nowMs)
  const dial = { network, signal, address: `${to.host}:${to.port}` }
  const { remoteHost, listening } = await knock(dial, from, publicPort, to)
  await cross(dial, from, remoteHost, NOISE_BYTES[0])
  await cross(dial, remoteHost, from, NOISE_BYTES[1])
  const ours = new SimSocket(network, {
    host: from,
    remoteHost,
    remoteIp: to.host,
    remotePort: to.port,
    remoteIdentity: listening.identity,
  })
  const theirs = new SimSocket(network, {
    host: remoteHost,
    remoteHost: from,
    remoteIp: from.ip,
    remotePort: publicPort,
    remoteIdentity: identity,
  })
  ours.join(theirs)
  theirs.join(ours)
  ours.begin(NOISE_BYTES[2], () => listening.accept(theirs))
  return ours
}

interface Dial {
  readonly network: SimNetwork
  readonly signal: AbortSignal
  readonly address: string
}

/** Asks whether anybody listens, and has the answer back. */
async function knock(dial: Dial, from: SimHost, publicPort: number, to: UdpEndpoint) {
  const { network, signal, address } = dial
  const remoteHost = network.hostAt(to.host)
  // Nobody there: no answer either.
  if (remoteHost === undefined) return aborted(signal)
  await cross(dial, from, remoteHost, 0)
  const outside = { host: from.ip, port: publicPort }
  const port = remoteHost.nat.enters(to.port, outside, network.time.nowMs)
  if (port === undefined) return aborted(signal)
  await cross(dial, remoteHost, from, 0)
  const listening = remoteHost.listeners.get(port)
  if (listening === undefined) throw TestingError.UNREACHABLE({ address, reason: 'refused' })
  return { remoteHost, listening }
}

/** One packet, sent again for as long as it is lost. */
async function cross(dial: Dial, from: SimHost, to: SimHost, bytes: number): Promise<void> {
  const { network, signal } = dial
  for (let pauseMs = CONNECT_RETRY_MS; ; pauseMs *= 2) {
    signal.throwIfAborted()
    if (!network.isBlocked(from, to) && !network.isLost(from, to)) {
      await network.time.sleep(network.travelMs(from, to, bytes))
      network.note('connect', from, to, bytes)
      signal.throwIfAborted()
      return
    }
    network.note('lost', from, to, bytes)
    await Promise.race([network.time.sleep(pauseMs), aborted(signal)])
  }
}

/** Never resolves; rejects when the signal aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const refuse = () => reject(signal.reason as Error)
    if (signal.aborted) refuse()
    else signal.addEventListener('abort', refuse, { once: true })
  })
}
