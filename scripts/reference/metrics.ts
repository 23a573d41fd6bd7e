/** `docs/reference/metrics.md`: every metric that a node counts. */

import type { Registry } from '../../src/base/index.ts'
import { exportsOf, purposeOf, rooms, sources } from './modules.ts'
import { code, page, table } from './table.ts'

const INTRO = `\`GET /metrics\` of the API answers with Prometheus text, or with OpenMetrics 1.0 where
\`Accept\` asks for it; a counter whose name does not end in \`_total\` gets that ending there.
A histogram is printed as \`_bucket\`, \`_sum\` and \`_count\`.`

export interface KnownMetric {
  readonly room: string
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  readonly buckets: readonly number[]
}

type Make = (registry: Registry, version: string) => unknown

/** All of them: each room's own function is asked, with a registry that only takes notes. */
export async function knownMetrics(): Promise<readonly KnownMetric[]> {
  const all: KnownMetric[] = []
  for (const room of rooms().filter((name) => name !== 'base')) {
    for (const file of sources(`src/${room}/**/metrics.ts`)) {
      const found = await exportsOf(file)
      const makers = Object.entries(found).filter(([name]) => name.endsWith('Metrics'))
      for (const [, make] of makers) (make as Make)(noting(room, all), '')
    }
  }
  return all
}

export async function metricsPage(): Promise<string> {
  const byRoom = Map.groupBy(await knownMetrics(), ({ room }) => room)
  const head = ['Metric', 'Type', 'Labels', 'Unit', 'What it is']
  const parts = [...byRoom].map(([room, metrics]) => {
    const rows = metrics.map(({ name, type, labels, help }) => {
      return [code(name), type, labels.map(code).join(', '), unitOf(name), `${help}.`]
    })
    return [`## ${room}`, purposeOf(room), table(head, rows)].join('\n\n')
  })
  return page('Metrics', INTRO, parts)
}

interface More {
  readonly labels?: readonly string[]
  readonly buckets?: readonly number[]
}

function noting(room: string, all: KnownMetric[]): Registry {
  const quiet = { add: () => undefined, set: () => undefined, observe: () => undefined }
  const note = (type: KnownMetric['type']) => {
    return (name: string, help: string, more: More | readonly string[] = {}) => {
      const { labels = [], buckets = [] } = isList(more) ? { labels: more } : more
      all.push({ room, name, type, help, labels, buckets })
      return quiet
    }
  }
  const registry = { counter: note('counter'), gauge: note('gauge'), histogram: note('histogram') }
  return registry as unknown as Registry
}

function isList(more: More | readonly string[]): more is readonly string[] {
  return Array.isArray(more)
}

function unitOf(name: string): string {
  const bare = name.replace(/_total$/, '')
  if (bare.endsWith('_seconds')) return 'seconds'
  return bare.endsWith('_bytes') ? 'bytes' : ''
}
