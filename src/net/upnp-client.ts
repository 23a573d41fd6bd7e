/**
 * Ports by UPnP: one IPv4 router that is an Internet Gateway Device.
 *
 * The protocol has no clock that would tell of a restart and no word for what was given, so what
 * was asked for is read back: a router that says yes and does nothing is found out.
 */

import { isIPv4 } from 'node:net'
import type { Clock, Random } from '../base/index.ts'
import { NetError, reasonOf } from './errors.ts'
import type { PortClient, PortGrant, PortWanted, Route } from './portmap-lease.ts'
import type { AskHttp } from './upnp-http.ts'
import { type Control, readControls, readSoapAnswer, soapRequest } from './upnp-soap.ts'
import type { FindGateway } from './upnp-ssdp.ts'

/** What the client needs of the node. */
export interface UpnpDeps {
  readonly clock: Clock
  readonly random: Random
  readonly find: FindGateway
  readonly askHttp: AskHttp
}

const ASK_TIMEOUT_MS = 5_000
const CONTROLS_MAX = 4
/** Another port is tried so often when somebody else has the one that was wished for. */
const TRIES_MAX = 4
const PORT_MIN = 1_024
const PORTS = 65_536 - PORT_MIN
/** WANIPConnection:2 §2.5.16: 714 no such entry, 718 taken, 725 only without an end. */
const NO_SUCH_ENTRY = 714
const TAKEN: readonly number[] = [718, 727, 728, 729]
const ONLY_PERMANENT = 725

/** Finds the gateway and its service with an uplink; rejects when there is none. */
export async function openUpnp(
  deps: UpnpDeps,
  route: Route,
  signal: AbortSignal,
): Promise<UpnpClient> {
  const unusable = (reason: string) => unusableRouter(route, reason)
  const description = await deps.find(route, deps.clock, signal)
  if (description === undefined) throw unusable('no answer')
  const { status, body } = await ask(deps, route, { url: description, headers: {} }, signal)
  if (status !== 200) throw unusable(`its description is not there (HTTP ${status})`)
  const controls = readControls(body, description).slice(0, CONTROLS_MAX)
  let failure: unknown = unusable('it has no service that maps ports')
  for (const control of controls) {
    const client = new UpnpClient(deps, route, control)
    try {
      await client.hasRestarted(signal)
      return client
    } catch (error) {
      signal.throwIfAborted()
      failure = error
    }
  }
  throw failure
}

interface Held {
  readonly wanted: PortWanted
  readonly externalPort: number
}

/** Speaks SOAP to one service of one gateway. */
export class UpnpClient implements PortClient {
  readonly via = 'upnp'
  readonly #deps: Pick<UpnpDeps, 'clock' | 'random' | 'askHttp'>
  readonly #route: Route
  readonly #control: Control
  readonly #held = new Map<string, Held>()
  #externalHost: string | undefined

  constructor(
    deps: Pick<UpnpDeps, 'clock' | 'random' | 'askHttp'>,
    route: Route,
    control: Control,
  ) {
    this.#deps = deps
    this.#route = route
    this.#control = control
  }

  async map(wanted: PortWanted, signal: AbortSignal): Promise<PortGrant> {
    const externalHost = await this.#askHost(signal)
    const { port, permanent } = await this.#add(wanted, signal)
    const found = await this.#entry(wanted, port, signal)
    if (found === 'missing') throw this.#refused(wanted, 'it says yes and does nothing')
    // What is somebody else's is not ours to take away.
    if (found === 'foreign') this.#held.delete(keyOf(wanted))
    if (found === 'foreign') throw this.#refused(wanted, 'it gave the port to somebody else')
    const asked = wanted.lifetimeSeconds
    const left = found === 'unknown' || found.leftSeconds === 0 || permanent
    const lifetimeSeconds = left ? asked : Math.min(asked, found.leftSeconds)
    return { externalHost, externalPort: port, lifetimeSeconds, restarted: false }
  }

  async unmap(wanted: PortWanted, signal: AbortSignal): Promise<void> {
    const held = this.#held.get(keyOf(wanted))
    if (held === undefined) return
    await this.#ask('DeletePortMapping', entryOf(wanted, held.externalPort), signal)
    this.#held.delete(keyOf(wanted))
  }

  /** By what is left of our own mappings, and by the external address. */
  async hasRestarted(signal: AbortSignal): Promise<boolean> {
    const before = this.#externalHost
    const host = await this.#askHost(signal)
    for (const { wanted, externalPort } of this.#held.values()) {
      const found = await this.#entry(wanted, externalPort, signal)
      if (found === 'missing' || found === 'foreign') return true
    }
    return before !== undefined && before !== host
  }

  close(): void {
    this.#held.clear()
  }

  async #askHost(signal: AbortSignal): Promise<string> {
    const { texts, errorCode } = await this.#ask('GetExternalIPAddress', {}, signal)
    const host = texts.get('newexternalipaddress') ?? ''
    if (errorCode !== undefined) throw unusableRouter(this.#route, `error ${errorCode}`)
    if (!isIPv4(host)) {
      throw unusableRouter(this.#route, 'its uplink is down, or has no address yet')
    }
    this.#externalHost = host
    return host
  }

  /** Adds the entry: without an end where that is all the router can, elsewhere if need be. */
  async #add(wanted: PortWanted, signal: AbortSignal) {
    let port = wanted.externalPort
    let permanent = false
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      // Noted before: an answer that is lost must not leave a mapping that nobody takes away.
      this.#held.set(keyOf(wanted), { wanted, externalPort: port })
      const { errorCode } = await this.#ask(
        'AddPortMapping',
        {
          ...entryOf(wanted, port),
          NewInternalPort: wanted.internalPort,
          NewInternalClient: this.#route.local,
          NewEnabled: 1,
          NewPortMappingDescription: 'p2p-foundation',
          NewLeaseDuration: permanent ? 0 : wanted.lifetimeSeconds,
        },
        signal,
      )
      if (errorCode === undefined) return { port, permanent }
      this.#held.delete(keyOf(wanted))
      if (errorCode === ONLY_PERMANENT && !permanent) permanent = true
      else if (TAKEN.includes(errorCode)) port = PORT_MIN + this.#deps.random.int(PORTS)
      else throw this.#refused(wanted, `error ${errorCode}`)
    }
    throw this.#refused(wanted, 'the ports that were tried are taken')
  }

  /** What the router says it holds for an external port. Some cannot say: that is no lie. */
  async #entry(wanted: PortWanted, externalPort: number, signal: AbortSignal) {
    const asked = entryOf(wanted, externalPort)
    const { texts, errorCode } = await this.#ask('GetSpecificPortMappingEntry', asked, signal)
    if (errorCode === NO_SUCH_ENTRY) return 'missing'
    const client = texts.get('newinternalclient')
    if (errorCode !== undefined || client === undefined) return 'unknown'
    const port = Number(texts.get('newinternalport'))
    if (client !== this.#route.local || port !== wanted.internalPort) return 'foreign'
    const leftSeconds = Number(texts.get('newleaseduration'))
    return { leftSeconds: Number.isSafeInteger(leftSeconds) ? Math.max(0, leftSeconds) : 0 }
  }

  async #ask(action: string, args: Readonly<Record<string, string | number>>, signal: AbortSignal) {
    const { service, url } = this.#control
    const asked = { url, ...soapRequest(service, action, args) }
    const { status, body } = await ask(this.#deps, this.#route, asked, signal)
    const answer = readSoapAnswer(body, this.#route.router)
    if (status !== 200 && answer.errorCode === undefined) {
      throw unusableRouter(this.#route, `it answers ${action} with HTTP ${status}`)
    }
    const hasAnswer = answer.errorCode !== undefined || body.includes(`${action}Response`)
    if (!hasAnswer) throw unusableRouter(this.#route, `it does not answer ${action}`)
    return answer
  }

  #refused({ protocol, internalPort: port }: PortWanted, reason: string): Error {
    return NetError.MAPPING_REFUSED({ via: 'UPnP', protocol, port, reason })
  }
}

/** One request under its own deadline; what fails is the router's fault, in its words or ours. */
async function ask(
  { clock, askHttp }: Pick<UpnpDeps, 'clock' | 'askHttp'>,
  route: Route,
  asked: Parameters<AskHttp>[1],
  signal: AbortSignal,
): ReturnType<AskHttp> {
  using deadline = clock.deadline(ASK_TIMEOUT_MS, signal)
  try {
    return await askHttp(route, asked, deadline.signal)
  } catch (cause) {
    signal.throwIfAborted()
    const reason = deadline.signal.aborted ? 'no answer in time' : reasonOf(cause)
    throw unusableRouter(route, reason, cause)
  }
}

function unusableRouter({ router }: Route, reason: string, cause?: unknown): Error {
  return NetError.ROUTER_UNUSABLE({ router, via: 'UPnP', reason }, cause)
}

function entryOf({ protocol }: PortWanted, externalPort: number) {
  return {
    NewRemoteHost: '',
    NewExternalPort: externalPort,
    NewProtocol: protocol.toUpperCase(),
  }
}

function keyOf({ protocol, internalPort }: PortWanted): string {
  return `${protocol} ${internalPort}`
}
