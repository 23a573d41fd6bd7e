import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { silentLog } from '../base/index.ts'
import { netConfig } from './config.ts'
import { Listening } from './listening.ts'
import type { Probe } from './ports.ts'

const BUSY = new Error(
  'Some configured addresses failed to be listened on, set `transportManager.faultTolerance`:\n' +
    '\n  /ip4/0.0.0.0/tcp/9000: listen EADDRINUSE: address already in use\n',
)

/** A machine on which what is listened on first turns out to be taken, `failures` times. */
function setup({ failures, listen }: { failures: number; listen?: readonly string[] }) {
  const did: string[] = []
  const isTaken = () => did.includes('end')
  const probe: Probe = async (kind, _, port) => {
    return isTaken() && kind === 'tcp' && port === 9000 ? 'busy' : 'free'
  }
  const listener = {
    async listen(where: readonly unknown[]) {
      did.push(
        where
          .map(String)
          .filter((one) => one.includes('/tcp/'))
          .join(' '),
      )
      if (did.filter((one) => one !== 'end').length <= failures) throw BUSY
    },
    async end() {
      did.push('end')
    },
  }
  const deps = { listener, probe, log: silentLog, quic: { state: 'active' as const } }
  const config = netConfig.parse(listen === undefined ? {} : { listen })
  return { did, listening: new Listening(deps, config) }
}

test('a default port that is taken between the look and the listening is looked at again', async () => {
  const { did, listening } = setup({ failures: 1 })
  assert.deepEqual(await listening.begin(), [{ kind: 'tcp', wanted: 9000, taken: 9001 }])
  const all = (port: number) => `/ip6/::/tcp/${port} /ip4/0.0.0.0/tcp/${port}`
  assert.deepEqual(did, [all(9000), 'end', all(9001)])
})

test('a port that was asked for and is taken meanwhile is an error that names it', async () => {
  const { did, listening } = setup({ failures: 1, listen: ['/ip4/0.0.0.0/tcp/9000'] })
  await assert.rejects(listening.begin(), coded('NET_PORT_BUSY'))
  assert.equal(did.at(-1), 'end')
})

test('what cannot be listened on at all ends with why, in no words about settings of a library', async () => {
  const { did, listening } = setup({ failures: 100, listen: ['/ip4/0.0.0.0/tcp/7000'] })
  await assert.rejects(listening.begin(), (error: unknown) => {
    assert.match(String(error), /tcp\/9000: listen EADDRINUSE/)
    assert.doesNotMatch(String(error), /faultTolerance/)
    return coded('NET_LISTEN_FAILED')(error)
  })
  assert.equal(did.filter((one) => one === 'end').length, 8)
})
