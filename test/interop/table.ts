/** What passed, as the tables of `docs/interop.md`; run by hand it makes that page anew. */

import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CHECKS } from './checks.ts'
import { MAKERS } from './programs.ts'
import { RELAY_CHECKS } from './relay-checks.ts'

/** How a connection is carried and secured. */
export interface Way {
  readonly way: string
  readonly kind: 'udp' | 'tcp'
  readonly security: 'noise' | 'tls'
  readonly listen: string
}

export const WAYS: readonly Way[] = [
  { way: 'QUIC', kind: 'udp', security: 'noise', listen: '/ip4/127.0.0.1/udp/0/quic-v1' },
  { way: 'TCP, Noise', kind: 'tcp', security: 'noise', listen: '/ip4/127.0.0.1/tcp/0' },
  { way: 'TCP, TLS', kind: 'tcp', security: 'tls', listen: '/ip4/127.0.0.1/tcp/0' },
]

/** Those with which both leave the relay in the lab. */
export const PUNCH_WAYS = ['QUIC', 'TCP, Noise'] as const

/** Rows of the lab in which both leave the relay: who was called takes the first step. */
export const PUNCHES = {
  theyCall: 'they call us through a relay, both leave it',
  weCall: 'we call them through a relay, both leave it',
} as const

export interface Passed {
  readonly maker: string
  readonly way: string
  readonly check: string
}

/** Only for whoever asked: a plain run of the tests leaves no file behind. */
export function note(one: Passed): void {
  const file = process.env.INTEROP_NOTES
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(one)}\n`)
}

/** Columns stand there whatever passed: one of which nothing did is full of `NO`. */
export interface Columns {
  readonly makers: readonly string[]
  readonly ways: readonly string[]
}

export function tableOf(
  all: readonly Passed[],
  checks: readonly string[],
  { makers, ways }: Columns,
): string {
  const columns = makers.flatMap((maker) => ways.map((way) => ({ maker, way })))
  const head = ['', ...columns.map(({ maker, way }) => `${maker}, ${way}`)]
  const rows = checks.map((name) => [
    name,
    ...columns.map(({ maker, way }) =>
      all.some((one) => one.maker === maker && one.way === way && one.check === name)
        ? 'yes'
        : 'NO',
    ),
  ])
  const lines = [head, ...rows]
  const widths = head.map((_, column) =>
    Math.max(3, ...lines.map((line) => (line[column] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = widths.map((width) => '-'.repeat(width))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

export function pageOf(all: readonly Passed[]): string {
  const names = (checks: readonly { readonly name: string }[]) => checks.map(({ name }) => name)
  const { go, rust, js } = MAKERS
  const columns = { makers: [go, rust, js], ways: WAYS.map(({ way }) => way) }
  return [
    '# Who we speak with',
    '',
    'Our nodes with peers of other makers, each a program over the library as its makers publish',
    'it, with none of our code. Made by `node test/interop/table.ts` (Linux, root); `npm run interop`',
    'and `npm run lab` fail when a row no longer holds.',
    '',
    '## Protocols',
    '',
    tableOf(all, names(CHECKS), columns),
    '',
    '## Relays (circuit relay v2)',
    '',
    'Ping runs through the circuit, which is encrypted between its ends.',
    '',
    tableOf(all, names(RELAY_CHECKS), columns),
    '',
    '## Leaving the relay (DCUtR)',
    '',
    'Both sides behind NATs that filter by address and port. js-libp2p is not here: its own peers do',
    'not punch with each other over either transport.',
    '',
    tableOf(all, Object.values(PUNCHES), { makers: [go, rust], ways: PUNCH_WAYS }),
    '',
  ].join('\n')
}

if (import.meta.main) {
  const file = join(tmpdir(), `p2p-interop-${process.pid}.jsonl`)
  const lab = join(import.meta.dirname, '..', 'lab', 'interop-dcutr.test.ts')
  const tests = ['peers.test.ts', 'relay.test.ts'].map((one) => join(import.meta.dirname, one))
  const words = ['--test', '--test-concurrency=1', ...tests, lab]
  spawnSync(process.execPath, words, {
    stdio: 'inherit',
    env: { ...process.env, CI: 'true', INTEROP_NOTES: file },
  })
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
  const all = lines.map((line) => JSON.parse(line) as Passed)
  writeFileSync(join(import.meta.dirname, '..', '..', 'docs', 'interop.md'), pageOf(all))
}
