/**
 * Text that strangers wrote, made safe to show: to a person on a terminal, to a model in a prompt.
 *
 * What is taken out has no place in a name or a sentence and hides something in it: control
 * characters (which move a terminal's cursor), marks that reverse the direction of reading
 * (UTS #55, "Trojan Source"), characters without a width, and tags (U+E0000 and on), which models
 * read and people do not see.
 */

const HIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: taking them out is the purpose.
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]/gu

/** Takes hidden characters out and cuts to `charsMax`; never leaves half a character. */
export function cleanText(text: string, charsMax: number): string {
  const cleaned = text
    .slice(0, charsMax * 4)
    .toWellFormed()
    .replace(HIDDEN, '')
  if (cleaned.length <= charsMax) return cleaned
  const cut = cleaned.slice(0, Math.max(0, charsMax - 1))
  return `${cut.isWellFormed() ? cut : cut.slice(0, -1)}…`
}
