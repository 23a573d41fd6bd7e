/** Partial text as progress: gathered, so that a fast model sends no notification for each word. */

import type { Clock } from '../../base/index.ts'
import type { ToolContext } from '../../mcp/index.ts'

const PAUSE_MS = 100
const CHARS_MAX = 16_384

/** Takes pieces of text and tells what came since the last time; what is left, at the end. */
export function textProgress(progress: ToolContext['progress'], clock: Clock) {
  let pending = ''
  let told = 0
  let lastMs = Number.NEGATIVE_INFINITY
  const tell = () => {
    if (pending === '') return
    told += pending.length
    lastMs = clock.now()
    progress?.(told, pending)
    pending = ''
  }
  return {
    onText(piece: string): void {
      if (progress === undefined) return
      pending += piece
      if (clock.now() - lastMs >= PAUSE_MS || pending.length >= CHARS_MAX) tell()
    },
    end: tell,
  }
}
