/**
 * The name that was probably meant: the same key of another section, else the one fewest characters
 * apart (Levenshtein, 1965).
 */

export function nearestKey(wanted: string, names: readonly string[]): string {
  const key = wanted.slice(wanted.indexOf('.'))
  const elsewhere = key.startsWith('.') ? names.find((name) => name.endsWith(key)) : undefined
  if (elsewhere !== undefined) return elsewhere
  const [first = '', ...rest] = names
  let best = { name: first, errors: distance(wanted, first) }
  for (const name of rest) {
    const errors = distance(wanted, name)
    if (errors < best.errors) best = { name, errors }
  }
  return best.name
}

function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const change = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(change, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    above = row
  }
  return above[b.length] ?? 0
}
