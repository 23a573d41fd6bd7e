/** Values as words for a person. */

import type { Facility } from '../node/index.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** The two largest units: `3 h 5 min`. */
export function durationText(ms: number): string {
  const part = (unitMs: number, below: number) => Math.floor((ms % below) / unitMs)
  if (ms >= DAY_MS) return `${Math.floor(ms / DAY_MS)} d ${part(HOUR_MS, DAY_MS)} h`
  if (ms >= HOUR_MS) return `${part(HOUR_MS, DAY_MS)} h ${part(MINUTE_MS, HOUR_MS)} min`
  if (ms >= MINUTE_MS) return `${part(MINUTE_MS, HOUR_MS)} min ${part(SECOND_MS, MINUTE_MS)} s`
  return `${part(SECOND_MS, MINUTE_MS)} s`
}

/** With three digits that matter: `1.25 MiB`. */
export function bytesText(bytes: number): string {
  const unit = UNITS.findLastIndex((_, i) => bytes >= 1024 ** i)
  if (unit <= 0) return `${Math.round(bytes)} B`
  const value = bytes / 1024 ** unit
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ''}`
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`
}

export function facilityText({ state, reason, remedy }: Facility): string {
  const why = [reason, remedy].filter((text) => text !== undefined).join('. ')
  return why === '' ? state : `${state}: ${why}`
}
