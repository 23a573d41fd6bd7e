/**
 * Ten agents that write to each other while packets are lost, one of them is cut off for a while
 * and one is killed and started again: `npm run lab -- agents [--json] [--short]`.
 *
 *   agent 1: 5.9.1.1 … agent 10: 5.9.10.1, a stranger who forges: 5.9.99.1 ── one link
 *
 * Addresses look public, because the limits are kinder to loopback. Every machine drops one packet
 * in twenty that comes in, by a rule of its own packet filter: `tc netem` is not in every kernel,
 * and bundles of packets are off, so that what is dropped is one packet of a wire.
 */

import { execFileSync } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Forged } from './agents-forger.ts'
import type { Report, Started, Work } from './agents-peer.ts'
import { described, missed } from './agents-table.ts'
import { HELLO_TEXT, type Member, type Tally, tallyOf } from './agents-tally.ts'
import { AskedProcess } from './asked-process.ts'
import { Lab, type Machine } from './netns.ts'

export interface Size {
  readonly agents: number
  /** Of all agents together. */
  readonly messages: number
  readonly sendMs: number
  readonly broadcastEvery: number
  readonly awayMs: number
  readonly forgeries: number
}

export const FULL: Size = {
  agents: 10,
  messages: 10_000,
  sendMs: 150_000,
  broadcastEvery: 10,
  awayMs: 45_000,
  forgeries: 10,
}
export const SHORT: Size = {
  agents: 5,
  messages: 500,
  sendMs: 25_000,
  broadcastEvery: 5,
  awayMs: 10_000,
  forgeries: 2,
}

const LOSS_PERCENT = 5
const STRANGER = '5.9.99.1'
/** One in so many is sent by peer id, all others by Ethereum address. */
const BY_PEER = 8
/** What is in the air when a line is cut is as lost as what comes after. */
const IN_THE_AIR_MS = 2_000
const MEET_MS = 60_000
const SETTLE_MS = 240_000
const LAST_MS = 15_000
const [CUT, KILLED] = [2, 3]

/** Runs it; resolves with the exit code. */
export async function main(words: readonly string[]): Promise<number> {
  const tally = await agentsUnderLoss(words.includes('--short') ? SHORT : FULL)
  process.stdout.write(`${described(tally)}\n`)
  const wrong = missed(tally)
  for (const one of wrong) process.stderr.write(`missed: ${one}\n`)
  if (words.includes('--json')) process.stdout.write(`${JSON.stringify(tally)}\n`)
  return wrong.length === 0 ? 0 : 1
}

/** An agent, in whichever run it is. */
class Seat {
  readonly machine: Machine
  readonly #words: readonly string[]
  readonly #earlier: unknown[] = []
  process: AskedProcess
  started: Started = { peer: '', ethAddress: '', address: '' }
  away: { from: number; until: number } | undefined

  constructor(machine: Machine, folder: string, host: string) {
    this.machine = machine
    this.#words = [fileOf('agents-peer.ts'), folder, host]
    this.process = new AskedProcess(machine, this.#words)
  }

  async start(bootstrap: readonly string[]): Promise<void> {
    this.started = (await this.process.ask({ bootstrap })) as Started
  }

  /** Without a word to anybody; what it was is in its folder. */
  async restart(bootstrap: readonly string[]): Promise<void> {
    await this.process.kill()
    this.#earlier.push(...this.process.told)
    this.process = new AskedProcess(this.machine, this.#words)
    await this.start(bootstrap)
  }

  get told(): readonly unknown[] {
    return [...this.#earlier, ...this.process.told]
  }

  async member(): Promise<Member> {
    const report = (await this.process.ask({ report: true })) as Report
    const { told, away, started } = this
    return { ...started, told, report, ...(away !== undefined && { away }) }
  }
}

export async function agentsUnderLoss(size: Size): Promise<Tally> {
  await using lab = new Lab()
  const machines = Array.from({ length: size.agents }, (_, i) => `5.9.${i + 1}.1`)
  const seats = machines.map((host, i) => {
    return new Seat(machineAt(lab, `agent${i + 1}`, host), lab.folder(`agent${i + 1}`), host)
  })
  const bootstrap: string[] = []
  for (const [i, seat] of seats.entries()) {
    await seat.start(bootstrap)
    if (i < 2) bootstrap.push(seat.started.address)
  }
  await meet(seats)
  const stranger = new AskedProcess(machineAt(lab, 'stranger', STRANGER), [
    fileOf('agents-forger.ts'),
    STRANGER,
  ])
  const count = Math.ceil(size.messages / size.agents)
  const works = seats.map((seat): Work => {
    const others = seats.filter((one) => one !== seat)
    const to = others.flatMap(({ started }, i) => {
      return Array.from({ length: BY_PEER }, (_, n) =>
        n === i % BY_PEER ? started.peer : started.ethAddress,
      )
    })
    const everyMs = size.sendMs / count
    return { to, from: 1, until: count + 1, everyMs, broadcastEvery: size.broadcastEvery }
  })
  const victims = seats.filter((_, i) => i !== CUT && i !== KILLED).map(({ started }) => started)
  const everyMs = size.sendMs / (2 * size.forgeries)
  const forging = stranger.ask({ victims, rounds: size.forgeries, everyMs })
  await Promise.all(seats.map((seat, i) => seat.process.ask({ go: works[i] })))
  await wait(size.sendMs / 8)
  await Promise.all([cutOff(seats[CUT], size), killed(seats, works, size)])
  await settled(seats)
  const members: Member[] = []
  for (const seat of seats) members.push(await seat.member())
  return tallyOf(members, (await forging) as Forged)
}

/** Until what each of them says to everybody was heard by all others. */
async function meet(seats: readonly Seat[]): Promise<void> {
  const until = performance.now() + MEET_MS
  for (;;) {
    const said = await Promise.all(seats.map(({ process }) => process.ask({ say: HELLO_TEXT })))
    await wait(2_000)
    const heard = seats.map(({ process }) => {
      const all = process.told as readonly { readonly heard?: { readonly id: string } }[]
      return new Set(all.map((one) => one.heard?.id))
    })
    const ids = said.map((one) => (one as { readonly id: string }).id)
    const isHeard = ids.every((id, by) => heard.every((at, i) => i === by || at.has(id)))
    if (isHeard) break
    if (performance.now() > until) throw new Error('The agents did not all hear each other')
  }
  for (const { process } of seats) process.told.length = 0
}

/** Its cable is pulled, and put back. */
async function cutOff(seat: Seat | undefined, { awayMs }: Size): Promise<void> {
  if (seat === undefined) return
  const from = Date.now() - IN_THE_AIR_MS
  seat.machine.ip('link', 'set', 'eth0', 'down')
  await wait(awayMs)
  seat.machine.ip('link', 'set', 'eth0', 'up')
  seat.away = { from, until: Date.now() }
}

/** It is killed in the middle of its work, and goes on with the rest when it is back. */
async function killed(seats: readonly Seat[], works: readonly Work[], size: Size): Promise<void> {
  const [seat, work] = [seats[KILLED], works[KILLED]]
  if (seat === undefined || work === undefined) return
  await wait(size.awayMs / 2)
  const from = Date.now() - IN_THE_AIR_MS
  await seat.restart(seats.slice(0, 2).map(({ started }) => started.address))
  seat.away = { from, until: Date.now() }
  const numbers = (seat.told as readonly { readonly sent?: number }[]).map(({ sent = 1 }) => sent)
  await seat.process.ask({ go: { ...work, from: Math.max(...numbers) } })
}

/** Until all is sent, and nothing of it waits any more, or time is up. */
async function settled(seats: readonly Seat[]): Promise<void> {
  let until = performance.now() + SETTLE_MS
  let unsentBefore = Number.POSITIVE_INFINITY
  for (;;) {
    const left = await Promise.all(seats.map(({ process }) => process.ask({ waiting: true })))
    const waiting = left as readonly { readonly unsent: number; readonly queued: number }[]
    const unsent = waiting.reduce((sum, one) => sum + one.unsent, 0)
    // A busy machine sends slower than it should: what settles is what was sent.
    if (unsent < unsentBefore) until = performance.now() + SETTLE_MS
    unsentBefore = unsent
    const isOver = unsent === 0 && waiting.every(({ queued }) => queued === 0)
    if (isOver || performance.now() > until) break
    await wait(500)
  }
  // What nothing comes after is looked for every ten beats.
  await wait(LAST_MS)
}

function machineAt(lab: Lab, name: string, host: string): Machine {
  const machine = lab.machine(name, { addresses: [`${host}/16`], ipv6: false })
  machine.ip('link', 'set', 'eth0', 'gso_max_segs', '1')
  const rules = `table inet loss {
    chain in {
      type filter hook prerouting priority raw
      iifname "eth0" numgen random mod 100 < ${LOSS_PERCENT} drop
    }
  }\n`
  const [command, ...words] = [...machine.wrapper, 'nft', '-f', '-']
  execFileSync(command, words, { input: rules, stdio: ['pipe', 'ignore', 'inherit'] })
  return machine
}

function fileOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}
