/**
 * Optional packages that run models in this process. They are big, so they are in no install of
 * ours: whoever wants one installs it beside us, and it is loaded when a back end needs it.
 */

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ToolsError } from '../../tools-errors.ts'

/** The package, from where ours is installed or from the folder that the node runs in. */
export async function loadPlugin(name: string, backend: string): Promise<unknown> {
  try {
    return await import(name)
  } catch (error) {
    if (!isMissing(error, name)) throw broken(name, backend, error)
  }
  let path: string
  try {
    path = createRequire(join(process.cwd(), 'package.json')).resolve(name)
  } catch (cause) {
    const reason = `the package ${name} is not installed`
    const remedy = `Run: npm install ${name}`
    throw ToolsError.INFERENCE_UNAVAILABLE({ backend, reason, remedy }, cause)
  }
  try {
    return await import(pathToFileURL(path).href)
  } catch (error) {
    throw broken(name, backend, error)
  }
}

/** Another package may be missing that this one needs: that is no reason to look elsewhere. */
function isMissing(error: unknown, name: string): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ERR_MODULE_NOT_FOUND' && String(error).includes(`'${name}'`)
}

function broken(name: string, backend: string, cause: unknown) {
  const [line = ''] = String(cause).split('\n', 1)
  const reason = `the package ${name} cannot be loaded (${line.slice(0, 300)})`
  const remedy = `Install it anew for this platform: npm install ${name}`
  return ToolsError.INFERENCE_UNAVAILABLE({ backend, reason, remedy }, cause)
}
