/** The environment of a process, and what of it is secret. */

/** A key, and the URL of a chain, which may hold another; where they are unless somebody says. */
const SECRETS = ['PRIVATE_KEY', 'RPC_URL'] as const

/**
 * A copy of the environment, whose secrets are then in the copy alone: whatever writes down the
 * environment, such as a report of a crash, does not know them.
 */
export function takeEnvironment(
  environment: Record<string, string | undefined>,
): Readonly<Record<string, string | undefined>> {
  const copy = { ...environment }
  for (const name of SECRETS) delete environment[name]
  return copy
}
