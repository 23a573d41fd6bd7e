/** The heap that is in use once what nobody holds is gone, in MiB. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

export function heapMb(): number {
  collect()
  return Math.round((process.memoryUsage().heapUsed / 1024 ** 2) * 100) / 100
}
