/** What the knob of tools from a folder changes. */

import { silentLog } from '../../../src/base/index.ts'
import { plugInsOf } from '../../../src/node/plug-ins.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FakeServices } from '../../support/mcp-directory.ts'
import { scratch } from '../../support/mcp-fixture.ts'
import { type Observations, type Observe, outcome } from './observation.ts'

/** Whether a folder is looked for that is not there. */
const looked: Observe = async ({ mcp }, made) => {
  await using folder = await scratch()
  const given = { clock: new FakeClock(), log: silentLog }
  const plugIns = plugInsOf({ dataDir: folder.path, mcp }, given, new FakeServices() as never)
  made()
  return plugIns === null ? 'none' : await outcome(() => plugIns.start())
}

export const mcpPlugInObservations: Observations = {
  'mcp.tools_folder': { value: 'nowhere', observe: looked },
}
