/** What is piped in where a command is given `-` for a word: no system limits its length. */

import { concatBytes, fromUtf8, race } from '../base/index.ts'
import type { Context } from './command.ts'
import { CliError } from './errors.ts'

const STDIN = '-'

/**
 * `word`, or for `-` what comes on standard input up to its end, without its last line break.
 *
 * @throws CLI_USAGE for more than `bytesMax` bytes, for nothing, and for what is not UTF-8.
 */
export async function wordOrInput(
  word: string,
  context: Pick<Context, 'stdin' | 'signal'>,
  { command, bytesMax }: { readonly command: string; readonly bytesMax: number },
): Promise<string> {
  if (word !== STDIN) return word
  const wanted = (expected: string) => CliError.USAGE({ command, expected })
  const bytes = await race(collected(context.stdin(), bytesMax), context.signal)
  if (bytes === undefined) throw wanted(`at most ${bytesMax} bytes on standard input`)
  if (bytes.length === 0) throw wanted('something on standard input, for "-" was given')
  try {
    return fromUtf8(bytes).replace(/\r?\n$/, '')
  } catch {
    throw wanted('text in UTF-8 on standard input')
  }
}

/** All of `stdin`; undefined as soon as it is too much. */
async function collected(
  stdin: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array[] = []
  let left = bytesMax
  for await (const piece of stdin) {
    left -= piece.length
    if (left < 0) return undefined
    pieces.push(piece)
  }
  return concatBytes(...pieces)
}
