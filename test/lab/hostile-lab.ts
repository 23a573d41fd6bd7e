/**
 * One node under attack: `npm run lab -- hostile [--json] [--short]`.
 *
 *   attacker: 5.9.10.1 … 5.9.59.1 ──┐
 *                                   ├── link ── victim: 5.9.0.1
 *   honest: 5.9.200.1 … 5.9.219.1 ──┘
 *
 * Addresses look public, because the limits are kinder to loopback. Each attack meets a victim of
 * its own; attacker and honest peers are processes of their own. Over QUIC the attacker dials from
 * a port of its own each time, and its machine gives each port another of its addresses.
 */

import { execFileSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { AskedProcess } from './asked-process.ts'
import type { Attack } from './hostile-attacker.ts'
import type { Honest } from './hostile-honest.ts'
import type { Health } from './hostile-victim.ts'
import { Lab, type Machine } from './netns.ts'

const VICTIM = '5.9.0.1'
const PORT = 9_000
const ATTACKERS = Array.from({ length: 50 }, (_, i) => `5.9.${10 + i}.1`)
const HONEST = Array.from({ length: 20 }, (_, i) => `5.9.${200 + i}.1`)

const HONEST_MIN = 0.99
/** The kernel shares processors between sessions first, so each process is one of its own. */
const PREFER = `echo "$1" > /proc/self/autogroup; shift; exec "$@"`
const RSS_MIB_MAX = 64
const LAG_P99_MS_MAX = 50
/** Of a node to which nothing happens, on a machine with a processor to spare. */
const LAG_QUIET_MS = 15

interface Size {
  readonly idle: number
  readonly connects: number
  readonly ms: number
  readonly honest: number
}

const FULL: Size = { idle: 1_000, connects: 10_000, ms: 10_000, honest: 100 }
const SHORT: Size = { idle: 300, connects: 2_000, ms: 2_000, honest: 25 }

/** What became of one attack. */
export interface Outcome {
  readonly attack: string
  readonly transport: 'tcp' | 'quic'
  readonly honest: { readonly peers: number; readonly connected: number; readonly atOnce: number }
  readonly honestMs: { readonly median: number; readonly max: number }
  readonly attacker: unknown
  readonly rssGrownMiB: number
  readonly lagP99Ms: number
  readonly lagBeforeP99Ms: number
  /** What of it was work of the victim's own. */
  readonly heldP99Ms: number
  readonly cpuShare: number
  readonly connections: number
  readonly refused: Health['refused']
  /** What was not reached; empty over TCP, or the laboratory fails. */
  readonly missed: readonly string[]
}

/** Runs all attacks; resolves with the exit code. */
export async function main(words: readonly string[]): Promise<number> {
  const size = words.includes('--short') ? SHORT : FULL
  const outcomes = await attackAll(size)
  if (words.includes('--json')) process.stdout.write(`${JSON.stringify(outcomes)}\n`)
  const failed = outcomes.filter(
    ({ transport, missed }) => transport === 'tcp' && missed.length > 0,
  )
  return failed.length === 0 ? 0 : 1
}

/** Each attack in turn, each against a fresh victim. */
export async function attackAll(size: Size, only?: 'tcp'): Promise<readonly Outcome[]> {
  const { idle, connects, ms } = size
  const idlers = { name: `${idle} idle sockets from 50 addresses`, connects: idle, ms: 1_000 }
  const flood = { name: `${connects} connects in ${ms / 1_000} s`, connects, ms }
  const wanted = [
    { ...idlers, transport: 'tcp', handshakes: 0 },
    { ...flood, transport: 'tcp', handshakes: 0.5 },
    { ...flood, transport: 'quic', handshakes: 1 },
  ] as const
  const outcomes: Outcome[] = []
  for (const one of wanted) {
    if (only !== undefined && one.transport !== only) continue
    const outcome = await attackOnce(one, size)
    outcomes.push(outcome)
    process.stderr.write(`${described(outcome)}\n`)
  }
  return outcomes
}

export { FULL, SHORT }

interface Wanted extends Pick<Attack, 'connects' | 'ms' | 'handshakes'> {
  readonly name: string
  readonly transport: 'tcp' | 'quic'
}

async function attackOnce(wanted: Wanted, size: Size): Promise<Outcome> {
  await using lab = new Lab()
  const [victimAt, attackerAt, honestAt] = [
    lab.machine('victim', { addresses: [`${VICTIM}/16`], ipv6: false }),
    lab.machine('attacker', { addresses: ATTACKERS.map(within), ipv6: false }),
    lab.machine('honest', { addresses: HONEST.map(within), ipv6: false }),
  ]
  const { transport, name, connects, ms, handshakes } = wanted
  if (transport === 'quic') {
    spread(attackerAt, ATTACKERS)
    spread(honestAt, HONEST)
  }
  const victim = new AskedProcess(preferred(victimAt, '-15'), [
    fileOf('hostile-victim.ts'),
    lab.folder('victim'),
  ])
  const kind = transport === 'tcp' ? `tcp/${PORT}` : `udp/${PORT}/quic-v1`
  await victim.ask({ listen: [`/ip4/${VICTIM}/${kind}`] })
  const target = { host: VICTIM, port: PORT, transport }
  // Once before, so that what is loaded at the first connection is no part of what grows.
  await peersOf(honestAt, { target, addresses: HONEST, peers: 10, everyMs: 100 })
  const before = (await victim.ask({})) as Health
  const { rssMiB } = (await victim.ask({ reset: true })) as { rssMiB: number }
  const attack: Attack = { target, addresses: ATTACKERS, connects, ms, handshakes }
  const attacker = await attackWith(attackerAt, attack)
  const everyMs = Math.max(ms, 5_000) / size.honest
  const honest = await peersOf(honestAt, { target, addresses: HONEST, peers: size.honest, everyMs })
  const done = await attacker.over()
  const after = (await victim.ask({})) as Health
  return outcomeOf({ name, transport, honest, rssMiB, before, after, attacker: done })
}

interface Measured {
  readonly name: string
  readonly transport: 'tcp' | 'quic'
  readonly honest: Awaited<ReturnType<typeof peersOf>>
  readonly rssMiB: number
  readonly before: Health
  readonly after: Health
  readonly attacker: unknown
}

function outcomeOf({ name, transport, honest, rssMiB, ...found }: Measured): Outcome {
  const { peers, connected, atOnce, msMedian, msMax } = honest
  const { before, after, attacker } = found
  const rssGrownMiB = after.rssMaxMiB - rssMiB
  // Where the loop was as late before the attack, others have the processors: only its own counts.
  const isQuiet = before.lagP99 <= LAG_QUIET_MS
  const lag = isQuiet ? after.lagP99 : after.heldP99
  const missed = [
    ...(connected / peers >= HONEST_MIN ? [] : [`honest peers: ${connected} of ${peers}`]),
    ...(rssGrownMiB <= RSS_MIB_MAX ? [] : [`RSS: + ${rssGrownMiB.toFixed(0)} MiB`]),
    ...(lag <= LAG_P99_MS_MAX ? [] : [`lag: p99 ${lag.toFixed(0)} ms`]),
  ]
  return {
    attack: name,
    transport,
    honest: { peers, connected, atOnce },
    honestMs: { median: msMedian, max: msMax },
    attacker,
    rssGrownMiB,
    lagP99Ms: after.lagP99,
    lagBeforeP99Ms: before.lagP99,
    heldP99Ms: after.heldP99,
    cpuShare: after.cpuShare,
    connections: after.connections,
    refused: after.refused,
    missed,
  }
}

/** What else this machine has to do is no part of the attack. */
function preferred(machine: Machine, nice: string): Machine {
  return {
    wrapper: machine.wrapper,
    spawn: (command, args) => {
      return machine.spawn('setsid', ['sh', '-c', PREFER, 'sh', nice, command, ...args])
    },
    ip: (...words) => machine.ip(...words),
  }
}

/** Every port gets another address of the machine. */
function spread(machine: Machine, addresses: readonly string[]): void {
  const last = addresses.length - 1
  const map = addresses.map((address, i) => `${i} : ${address}`).join(', ')
  const rules = `table ip spread { chain out { type nat hook postrouting priority 100;
    oifname "eth0" udp dport ${PORT} snat to numgen inc mod ${last + 1} map { ${map} }
  }\n}`
  const [command, ...words] = [...machine.wrapper, 'nft', '-f', '-']
  execFileSync(command, words, { input: rules, stdio: ['pipe', 'ignore', 'inherit'] })
}

/** Resolves when the attack begins. */
async function attackWith(machine: Machine, attack: Attack) {
  const words = [fileOf('hostile-attacker.ts'), JSON.stringify(attack)]
  const child = preferred(machine, '-5').spawn(process.execPath, words)
  if (child.stdout === null) throw new Error('The attacker has a standard output')
  const begun = Promise.withResolvers<undefined>()
  const over = Promise.withResolvers<unknown>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    begun.resolve(undefined)
    const told = JSON.parse(line) as { readonly isOver: boolean }
    if (told.isOver) over.resolve(told)
  })
  await begun.promise
  return { over: () => over.promise }
}

async function peersOf(machine: Machine, honest: Honest) {
  const child = preferred(machine, '-10').spawn(process.execPath, [
    fileOf('hostile-honest.ts'),
    JSON.stringify(honest),
  ])
  if (child.stdout === null) throw new Error('The honest peers have a standard output')
  for await (const line of createInterface({ input: child.stdout })) {
    return JSON.parse(line) as {
      readonly peers: number
      readonly connected: number
      readonly atOnce: number
      readonly msMedian: number
      readonly msMax: number
      readonly reasons: readonly string[]
    }
  }
  throw new Error('The honest peers said nothing')
}

function described({ attack, transport, honest, honestMs, missed, ...rest }: Outcome): string {
  const { rssGrownMiB, lagP99Ms, lagBeforeP99Ms, heldP99Ms, cpuShare } = rest
  const { connections, refused, attacker } = rest
  return [
    `${attack} over ${transport}: ${missed.length === 0 ? 'held' : `missed ${missed.join('; ')}`}`,
    `  honest ${honest.connected} of ${honest.peers} (${honest.atOnce} at the first try), ` +
      `median ${honestMs.median.toFixed(0)} ms, at most ${honestMs.max.toFixed(0)} ms`,
    `  RSS + ${rssGrownMiB.toFixed(1)} MiB, lag p99 ${lagP99Ms.toFixed(1)} ms ` +
      `(before: ${lagBeforeP99Ms.toFixed(1)} ms; own work: ${heldP99Ms.toFixed(1)} ms), CPU ${(100 * cpuShare).toFixed(0)} %`,
    `  ${connections} peers connected, refused ${JSON.stringify(refused)}`,
    `  attacker ${JSON.stringify(attacker)}`,
  ].join('\n')
}

function within(address: string): string {
  return `${address}/16`
}

function fileOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}
