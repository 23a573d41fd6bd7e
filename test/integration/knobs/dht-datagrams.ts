/** What the knobs of the datagram face in `[dht]` change. */

import { Registry, seededRandom, silentLog } from '../../../src/base/index.ts'
import { DatagramFace } from '../../../src/dht/datagram-face.ts'
import { Dht, dhtMetrics, MemoryStore } from '../../../src/dht/index.ts'
import { encodeMessage } from '../../../src/dht/wire.ts'
import { keysOf } from '../../support/datagram-fixture.ts'
import { NETWORK } from '../../support/dht-fixture.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FakeNet } from '../../support/fake-net.ts'
import { FakeUdp } from '../../support/fake-udp.ts'
import type { Observations, Observe } from './observation.ts'

/** Whether a whole DHT has a datagram face, and where it takes datagrams. */
const open: Observe = async ({ dht: config }) => {
  const { signer, agreement } = keysOf(1)
  const opened: number[] = []
  const udp = new FakeUdp()
  const dht = new Dht(
    {
      host: new FakeNet().add(signer.peer),
      signer,
      policy: { admit: () => undefined },
      storage: new MemoryStore(),
      clock: new FakeClock(),
      random: seededRandom('datagrams'),
      log: silentLog,
      metrics: dhtMetrics(new Registry()),
      network: NETWORK,
      datagrams: {
        agreement,
        hosts: ['127.0.0.1'],
        openUdp: (wanted) => {
          opened.push(wanted.port)
          return udp.open(wanted)
        },
      },
    },
    config,
  )
  await dht.start()
  const { state } = dht.datagrams
  await dht.stop()
  return { state, opened }
}

/** How many of 40 questions of one host are answered at once. */
const answered: Observe = async ({ dht: config }) => {
  const udp = new FakeUdp()
  const clock = new FakeClock(1_000)
  const metrics = dhtMetrics(new Registry())
  const made = [1, 2].map((seed) => {
    const { signer, agreement } = keysOf(seed)
    const at = `10.0.0.${seed}`
    const host = { self: signer.peer, addresses: () => [`/ip4/${at}/tcp/9000`] }
    const face = new DatagramFace(
      {
        agreement,
        host,
        openUdp: udp.open,
        hosts: [at],
        network: NETWORK,
        clock,
        random: seededRandom(`answered ${seed}`),
        log: silentLog,
        metrics,
        answer: async (_, messages) => [...messages].at(-1),
        spoke: () => undefined,
      },
      config,
    )
    return { face, peer: signer.peer, at: { host: at, port: 9_000 } }
  })
  const [a, b] = made
  if (a === undefined || b === undefined) return undefined
  for (const { face } of made) await face.start()
  a.face.told(b.peer, b.at, 'private')
  let count = 0
  for (let i = 0; i < 40; i += 1) {
    if (!a.face.canAsk(b.peer)) break
    const asked = a.face.ask(b.peer, [encodeMessage({ type: 'ping' })])
    void asked.then((outcome) => {
      if (outcome?.kind === 'answered') count += 1
    })
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (const { face } of made) face.stop()
  return count
}

export const dhtDatagramObservations: Observations = {
  'dht.datagrams': { value: false, observe: open },
  'dht.datagram_port': { value: 7_000, observe: open },
  'dht.datagrams_per_host': { value: 5, observe: answered },
}
