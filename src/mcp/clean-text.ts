/**
 * Text that strangers wrote, made safe to show: to a person on a terminal, to a model in a prompt.
 *
 * What is taken out has no place in a name or a sentence and hides something in it: control
 * characters (which move a terminal's cursor), marks that reverse the direction of reading
 * (UTS #55, "Trojan Source"), characters without a width, and tags (U+E0000 and on), which models
 * read and people do not see.
 */

/** Line feeds and tabs stay; `DI` is what Unicode itself calls ignorable when shown. */
const HIDDEN = /(?![\n\t])[\p{Cc}\p{DI}\u2028\u2029\ufff9-\ufffb]/gu

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
