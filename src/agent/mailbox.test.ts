import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom, silentLog } from '../base/index.ts'
import { MailboxRounds } from './mailbox.ts'
import { MailError } from './mailbox-errors.ts'

function setup() {
  const clock = new FakeClock()
  const rounds: number[] = []
  const world = { answered: 3, failing: false, holdMs: 0 }
  const mailbox = new MailboxRounds({
    incoming: {
      async collect(signal) {
        rounds.push(clock.now())
        if (world.holdMs > 0) await clock.sleep(world.holdMs, signal)
        if (world.failing) throw MailError.MAIL_MALFORMED({ found: 'nothing' })
        return { asked: 3, answered: world.answered, messages: 1 }
      },
    },
    clock,
    random: seededRandom('mailbox'),
    log: silentLog,
  })
  return { clock, rounds, world, mailbox }
}

test('mailboxes are read at the start, more often at first and then every few minutes', async () => {
  const { clock, rounds, mailbox } = setup()
  await mailbox.start()
  await clock.advance(700_000)
  assert.deepEqual(rounds, [0, 2_000, 12_000, 72_000, 372_000, 672_000])
  mailbox.networkChanged()
  await clock.advance(15_000)
  assert.deepEqual(rounds.slice(6), [700_000, 702_000, 712_000])
  await mailbox.stop()
  assert.equal(clock.waiting, 0)
})

test('while nobody answers, it asks again and again with longer pauses', async () => {
  const { clock, rounds, world, mailbox } = setup()
  world.answered = 0
  await mailbox.start()
  await clock.advance(120_000)
  const alone = rounds.length
  assert.ok(alone > 5 && alone < 20, `${alone} rounds`)
  world.failing = true
  await clock.advance(60_000)
  assert.ok(rounds.length > alone)
  // Once somebody answers, it goes on as after a start.
  Object.assign(world, { failing: false, answered: 1 })
  const before = rounds.length
  await clock.advance(110_000)
  assert.ok(rounds.length >= before + 4, `${rounds.length - before} rounds`)
  await mailbox.stop()
})

test('collect() joins the round that is under way', async () => {
  const { clock, rounds, world, mailbox } = setup()
  world.holdMs = 1_000
  const both = Promise.all([mailbox.collect(), mailbox.collect()])
  await clock.advance(1_000)
  assert.deepEqual(await both, [
    { asked: 3, answered: 3, messages: 1 },
    { asked: 3, answered: 3, messages: 1 },
  ])
  assert.equal(rounds.length, 1)
  const given = AbortSignal.abort(MailError.MAIL_MALFORMED({ found: 'no time' }))
  await assert.rejects(mailbox.collect(given), coded('AGENT_MAIL_MALFORMED'))
  await mailbox.stop()
  assert.equal(clock.waiting, 0)
})

test('stop() ends a round that hangs', async () => {
  const { clock, world, mailbox } = setup()
  world.holdMs = 1e9
  await mailbox.start()
  await clock.advance(1)
  await mailbox.stop()
  assert.equal(clock.waiting, 0)
})
