/** What a schema wanted, in the units of the configuration file. */

interface Issue {
  readonly code?: string
  readonly message: string
  readonly minimum?: number | bigint
  readonly maximum?: number | bigint
  readonly origin?: string
  readonly values?: readonly unknown[]
  readonly keys?: readonly string[]
}

/** `scale` is what the file's number was multiplied with before the schema saw it. */
export function wantedBy(issue: Issue, scale: number): string {
  const { code, minimum, maximum, values, keys } = issue
  const unit = scale === 1_000 ? ' seconds' : thingsOf(issue.origin)
  const said = (bound: number | bigint) => `${Number(bound) / scale}${unit}`
  if (code === 'too_small' && minimum !== undefined) return `at least ${said(minimum)}`
  if (code === 'too_big' && maximum !== undefined) return `at most ${said(maximum)}`
  if (code === 'invalid_value' && values !== undefined) {
    return `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`
  }
  if (code === 'unrecognized_keys' && keys !== undefined) {
    return `no ${keys.map((key) => JSON.stringify(key)).join(', ')}, which there is not`
  }
  return issue.message.replace(/^(?:wanted |Invalid input: expected )/, '')
}

function thingsOf(origin: string | undefined): string {
  if (origin === 'string') return ' characters'
  return origin === 'array' ? ' entries' : ''
}
