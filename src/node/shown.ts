/** Keys and values as errors show them. */

/** A value as an error shows it: short, and quoted where it is text. */
export function shown(value: unknown): string {
  if (typeof value === 'bigint') return String(value)
  const text = JSON.stringify(value, (_, item: unknown) => {
    return typeof item === 'bigint' ? String(item) : item
  }) as string | undefined
  if (text === undefined) return 'nothing'
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text
}

/** `[section] key`, as a person looks for it. */
export function shownKey(toml: string): string {
  const [section = '', ...rest] = toml.split('.')
  return rest.length === 0 ? `[${section}]` : `[${section}] ${rest.join('.')}`
}

const SHOWN_MAX = 120
