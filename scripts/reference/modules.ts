/** The rooms of the house, and what a file of theirs exports. */

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FLOORS } from '../../test/house/rules.ts'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Source files that match, below the root, without tests. */
export function sources(pattern: string): readonly string[] {
  return globSync(pattern, { cwd: ROOT })
    .filter((file) => !/\.(?:test|d)\.ts$/.test(file))
    .sort()
}

/** Rooms that are there, from the ground up. */
export function rooms(): readonly string[] {
  const door = (room: string) => (room === 'cli' ? 'main.ts' : 'index.ts')
  return FLOORS.flat().filter((room) => existsSync(join(ROOT, 'src', room, door(room))))
}

export async function exportsOf(file: string): Promise<Readonly<Record<string, unknown>>> {
  return (await import(join(ROOT, file))) as Readonly<Record<string, unknown>>
}

/** What the door of a room says that it is for. */
export function purposeOf(room: string): string {
  if (room === 'cli') return 'Words typed by a person.'
  const door = readFileSync(join(ROOT, 'src', room, 'index.ts'), 'utf8')
  const opening = /^\/\*\*([\s\S]*?)\*\//.exec(door)?.[1] ?? ''
  const text = opening
    .replace(/\n \* ?/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  return /^Floor \d\. ([^.]+(?:\.(?! )[^.]*)*\.)/.exec(text)?.[1] ?? text
}
