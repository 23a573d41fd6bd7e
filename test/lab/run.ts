/**
 * Runs one laboratory by name: `npm run lab -- nat --json`. Without a name, `npm run lab` runs the
 * tests of the ring instead. Each laboratory prints what it found; with `--json` its last line is
 * one JSON value for programs.
 *
 * A laboratory is a file beside this one with `main(words)`, which resolves with the exit code.
 */

import { linkUnavailable } from './link.ts'

interface Laboratory {
  readonly what: string
  readonly file: string
}

interface Program {
  main(words: readonly string[]): Promise<number>
}

const LABORATORIES: Readonly<Record<string, Laboratory>> = {
  nat: { what: 'every pair of NATs, with a relay between them', file: './nat-lab.ts' },
  ladder: { what: 'links from good Wi-Fi to absurd', file: './ladder-lab.ts' },
  hostile: { what: 'one node under attack', file: './hostile-lab.ts' },
  agents: { what: 'messages of ten agents while packets are lost', file: './agents-lab.ts' },
}

const [name = '', ...words] = process.argv.slice(2)
process.exitCode = await run()

async function run(): Promise<number> {
  const found = Object.hasOwn(LABORATORIES, name) ? LABORATORIES[name] : undefined
  if (found === undefined) {
    complain(`no laboratory "${name}"; there are:`)
    for (const [one, { what }] of Object.entries(LABORATORIES)) complain(`  ${one}: ${what}`)
    return 2
  }
  const reason = linkUnavailable()
  if (reason !== undefined) {
    complain(`cannot run the laboratory "${name}" here: ${reason}`)
    return 1
  }
  const program = (await import(found.file)) as Program
  return program.main(words)
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`)
}
