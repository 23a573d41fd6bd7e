/** Markdown, as far as the reference needs it. */

/** A table; a cell may hold anything that a line may. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Text as code; none as nothing. */
export function code(text: string): string {
  if (text === '') return ''
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``
}

/** A value as the configuration file or JSON writes it. */
export function value(found: unknown): string {
  return code(JSON.stringify(found))
}

/** One page: a title, what it is for, and its parts. */
export function page(title: string, purpose: string, parts: readonly string[]): string {
  const note =
    '<!-- Made by scripts/reference.ts from the code. Do not edit; run: npm run docs:reference -->'
  return `${[note, `# ${title}`, purpose, ...parts].join('\n\n')}\n`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', '<br>').trim()
}
