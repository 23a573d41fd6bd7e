/** What became of all messages of the laboratory `agents`, from what each agent told. */

import type { Delivery } from '../../src/agent/index.ts'
import type { Forged } from './agents-forger.ts'
import type { Found, Report, Started } from './agents-peer.ts'

/** How the texts of what a stranger may send, and of what it may not, begin. */
export const HONEST_TEXT = 'by a stranger'
export const FORGED_TEXT = 'forged'
/** What each says until all have heard all; it is not counted. */
export const HELLO_TEXT = 'hello'

/** All that is known of one agent: of all its runs. */
export interface Member extends Started {
  readonly told: readonly unknown[]
  readonly report: Report
  /** When it could not be reached; from then on until it hears again, nothing broadcast counts. */
  readonly away?: { readonly from: number; readonly until: number }
}

export interface Tally {
  readonly direct: number
  readonly delivered: number
  /** Of these, kept by others in between. */
  readonly storedFirst: number
  readonly failed: number
  readonly expired: number
  /** Without an end: neither delivered nor reported as failed. */
  readonly open: number
  /** With a receipt, but not what the reader finds. */
  readonly missing: number
  /** Told twice, or found twice. */
  readonly duplicates: number
  /** Read, though nobody with these keys said it. */
  readonly unverified: number
  readonly copiesAnswered: number
  readonly refused: number
  readonly broadcasts: number
  readonly broadcastsFailed: number
  readonly hearings: { readonly wanted: number; readonly heard: number; readonly repaired: number }
  /** With those that were sent to somebody who was away. */
  readonly hearingsOfAll: { readonly wanted: number; readonly heard: number }
  readonly backMs: readonly number[]
  readonly receiptMs: Times
  /** Of those between two of which neither was away meanwhile, nor a while before. */
  readonly receiptHereMs: Times
  readonly routes: Readonly<Record<string, number>>
  readonly troubles: readonly string[]
  /** Those of which only the sender's file says the end: it was killed before it told. */
  readonly endedInFile: number
  /** The last word of each that has no end. */
  readonly openAs: readonly string[]
  readonly forged: Forged
}

export interface Times {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

interface Sent {
  readonly by: Member
  readonly to: string
  readonly states: Delivery[]
}

const DONE = ['delivered', 'read']
/** What waited for somebody who was away is tried again and told within this. */
const BACK_MS = 30_000

export function tallyOf(members: readonly Member[], forged: Forged): Tally {
  const sent = sentOf(members)
  const direct = [...sent.values()].filter(({ to }) => to !== '*')
  const endedInFile = endAsInFile(members, sent)
  const ending = (states: readonly string[]) =>
    direct.filter((one) => states.includes(one.states.at(-1)?.state ?? ''))
  const delivered = ending(DONE)
  const [failed, expired] = [ending(['failed']), ending(['expired'])]
  const stored = delivered.filter(({ states }) => states.some(({ state }) => state === 'stored'))
  const routes: Record<string, number> = {}
  for (const { report } of members) {
    for (const { route } of report.inbox) routes[route] = (routes[route] ?? 0) + 1
  }
  const troubles = [...failed, ...expired].map(({ states }) => states.at(-1)?.reason ?? 'unknown')
  return {
    direct: direct.length,
    delivered: delivered.length,
    storedFirst: stored.length,
    failed: failed.length,
    expired: expired.length,
    open: direct.length - delivered.length - failed.length - expired.length,
    missing: missing(members, sent),
    duplicates: members.reduce((sum, member) => sum + duplicatesAt(member), 0),
    unverified: members.reduce((sum, { report }) => sum + unverified(report, members, sent), 0),
    copiesAnswered: members.reduce((sum, { report }) => sum + report.copies, 0),
    refused: members.reduce((sum, { report }) => sum + report.refused, 0),
    ...broadcastsOf(members, sent),
    endedInFile,
    openAs: openOf(direct),
    receiptMs: receiptsOf(delivered),
    receiptHereMs: receiptsOf(delivered.filter((one) => !isTouched(one, members))),
    routes,
    troubles: [...new Set([...troubles, ...members.flatMap(troublesOf)])],
    forged,
  }
}

/** All that was sent, by id, with its states in order. */
function sentOf(members: readonly Member[]): ReadonlyMap<string, Sent> {
  const sent = new Map<string, Sent>()
  for (const by of members) {
    for (const { delivery } of by.told as readonly { readonly delivery?: Delivery }[]) {
      if (delivery === undefined) continue
      const known = sent.get(delivery.id) ?? { by, to: delivery.to, states: [] }
      known.states.push(delivery)
      sent.set(delivery.id, known)
    }
  }
  return sent
}

function endAsInFile(members: readonly Member[], sent: ReadonlyMap<string, Sent>): number {
  let ended = 0
  for (const { away, report } of members) {
    for (const delivery of away === undefined ? [] : report.outgoing) {
      const states = sent.get(delivery.id)?.states
      if (!isOpen(states?.at(-1)) || isOpen(delivery)) continue
      states?.push(delivery)
      ended += 1
    }
  }
  return ended
}

function isOpen(delivery: Delivery | undefined): boolean {
  return delivery !== undefined && ['queued', 'sent', 'stored'].includes(delivery.state)
}

function missing(members: readonly Member[], sent: ReadonlyMap<string, Sent>): number {
  const found = new Set<string>()
  for (const { ethAddress, peer, report } of members) {
    for (const { id } of report.inbox) {
      for (const to of [ethAddress, peer]) found.add(`${id} ${to}`)
    }
  }
  const isMissing = ([id, { to, states }]: [string, Sent]) =>
    to !== '*' && DONE.includes(states.at(-1)?.state ?? '') && !found.has(`${id} ${to}`)
  return [...sent].filter(isMissing).length
}

function duplicatesAt({ told, report }: Member): number {
  const heard = (told as readonly { readonly heard?: { readonly id: string } }[]).flatMap((one) =>
    one.heard === undefined ? [] : [one.heard.id],
  )
  const found = report.inbox.map(({ id }) => id)
  return heard.length - new Set(heard).size + (found.length - new Set(found).size)
}

/** Each must be what its sender sent, to this one or to all, and the sender's own words. */
function unverified(
  { inbox }: Report,
  members: readonly Member[],
  sent: ReadonlyMap<string, Sent>,
): number {
  return inbox.filter(({ id, peer, ethAddress, text }) => {
    if (text.startsWith(FORGED_TEXT)) return true
    if (text === HELLO_TEXT) return !members.some((member) => member.peer === peer)
    if (text === HONEST_TEXT) return members.some((member) => member.peer === peer)
    const by = sent.get(id)?.by ?? members.find((member) => isOf(member, peer, text))
    return by?.peer !== peer || by.ethAddress !== ethAddress || !text.startsWith(peer)
  }).length
}

/** Who is killed while it sends cannot tell of the message, but told its number before. */
function isOf({ peer: own, away, told }: Member, peer: string, text: string): boolean {
  const next = Number(text.split(' ')[1]) + 1
  const numbers = told as readonly { readonly sent?: number }[]
  return own === peer && away !== undefined && numbers.some((one) => one.sent === next)
}

/** Whether one of both was away between the first word of it and a while before. */
function isTouched({ by, to, states }: Sent, members: readonly Member[]): boolean {
  const from = states[0]?.at ?? 0
  const until = states.at(-1)?.at ?? 0
  const other = members.find(({ peer, ethAddress }) => to === peer || to === ethAddress)
  return [by.away, other?.away].some((away) => {
    return away !== undefined && from <= away.until + BACK_MS && until >= away.from
  })
}

function broadcastsOf(members: readonly Member[], sent: ReadonlyMap<string, Sent>) {
  const all = [...sent].filter(([, { to }]) => to === '*')
  const failed = all.filter(([, { states }]) => states.at(-1)?.state === 'failed')
  const hearings = { wanted: 0, heard: 0, repaired: 0 }
  const hearingsOfAll = { wanted: 0, heard: 0 }
  const backMs: number[] = []
  const gone = new Map(members.map((member) => [member, awayOf(member)]))
  for (const member of members) {
    const found = new Set(member.report.inbox.map(({ id }) => id))
    const away = gone.get(member)
    if (away !== undefined) backMs.push(away.until - (member.away?.until ?? 0))
    hearings.repaired += member.report.repaired
    for (const [id, { by, states }] of all) {
      const [first] = states
      if (by === member || first?.state !== 'sent') continue
      const heard = found.has(id) ? 1 : 0
      hearingsOfAll.wanted += 1
      hearingsOfAll.heard += heard
      const isCut = [away, gone.get(by)].some((one) => one !== undefined && isIn(first.at, one))
      if (isCut) continue
      hearings.wanted += 1
      hearings.heard += heard
    }
  }
  const counts = { broadcasts: all.length, broadcastsFailed: failed.length }
  return { ...counts, hearings, hearingsOfAll, backMs }
}

/** Until it heard the first broadcast again. */
function awayOf({ away, report }: Member) {
  if (away === undefined) return undefined
  const after = report.inbox
    .filter(({ broadcast, receivedAt }: Found) => broadcast && receivedAt >= away.until)
    .map(({ receivedAt }) => receivedAt)
  return { from: away.from, until: Math.min(...after, Number.MAX_SAFE_INTEGER) }
}

function isIn(at: number, { from, until }: { readonly from: number; readonly until: number }) {
  return at >= from && at <= until
}

function openOf(direct: readonly Sent[]): readonly string[] {
  return direct.flatMap(({ by, to, states }) => {
    const last = states.at(-1)
    if (last === undefined || !isOpen(last)) return []
    const told = states.map(({ state, at }) => `${state} ${at}`).join(', ')
    return [`${by.address.split('/')[2]} → ${to}: ${told}: ${last.reason ?? ''}`]
  })
}

function receiptsOf(delivered: readonly Sent[]) {
  const times = delivered
    .map(({ states }) => {
      const [first] = states
      const last = states.find(({ state }) => state === 'delivered')
      return (last?.at ?? 0) - (first?.at ?? 0)
    })
    .sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor((times.length - 1) * share)] ?? 0
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

function troublesOf({ told }: Member): readonly string[] {
  return (told as readonly { readonly trouble?: string }[]).flatMap(({ trouble }) => trouble ?? [])
}
