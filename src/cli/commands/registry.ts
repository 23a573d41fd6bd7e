import { hasCode } from '../../base/index.ts'
import type { AgentStatus, RegistryWrite } from '../../evm/index.ts'
import { type EthAddress, ethAddress } from '../../identity/index.ts'
import type { Command, Context, OptionSpec } from '../command.ts'
import { CliError } from '../errors.ts'
import { flagsOf } from '../flags.ts'
import { flagOption, required, textOption } from '../options.ts'
import { fields, type Paint } from '../output.ts'
import type { RegistryRoom } from '../registry-room.ts'
import {
  addressArg,
  entryLines,
  metadataOf,
  NOBODY,
  oneOf,
  recoveryOf,
  shownEntry,
} from '../registry-words.ts'

/** In the order of the contract. */
const STATUSES: readonly AgentStatus[] = ['online', 'offline', 'discontinued']
const QUESTION_MS = 60_000
/** Of a block, for which nobody asks the chain at each message. */
const LATE = ['It holds once nodes ask again: [agent] registry_cache, 5 minutes unless it is set']
/** A transaction waits for its block. */
const TRANSACTION_MS = 180_000

const ABOUT: readonly OptionSpec[] = [
  { flags: '--metadata <json>', help: 'what else is said of it, at most 12288 bytes' },
  { flags: '--recovery <address>', help: 'who may take the entry when the key is lost; or none' },
]

export const registryStatus: Command = {
  name: 'registry status',
  summary: 'Show the chain and the contract, and what it says of the address of PRIVATE_KEY',
  examples: ['registry status', 'registry status --json'],
  timeoutMs: QUESTION_MS,
  groupDefault: true,

  async run(context) {
    const { out, signal } = context
    const room = await roomOf(context)
    const [chainId, { owner, agentCount }] = await Promise.all([
      room.chainId({ signal }),
      room.facts({ signal }),
    ])
    const own = await ownAddress(room)
    const entry = own === null ? undefined : await room.entry(own, { signal })
    const report = {
      host: room.host,
      chainId: String(chainId),
      registry: room.address(),
      owner,
      agents: String(agentCount),
      address: own,
      entry: entry === undefined ? null : shownEntry(entry),
    }
    out.print(report, (paint) => [
      ...fields(
        {
          Chain: `${report.chainId} at ${report.host}`,
          Registry: report.registry,
          Owner: owner,
          Agents: report.agents,
          You: own ?? 'nobody: PRIVATE_KEY is not set',
        },
        paint,
      ),
      ...(entry === undefined ? [] : entryLines(entry, paint)),
      ...(own !== null && entry === undefined ? ['You are not registered.'] : []),
    ])
  },
}

export const registryShow: Command = {
  name: 'registry show',
  summary: 'Show the entry of an address',
  args: '<address>',
  examples: ['registry show 0x70997970C51812dc3A010C7d01b50e0d17dc79C8'],
  timeoutMs: QUESTION_MS,

  async run(context) {
    const { out, signal } = context
    const agent = addressArg(context, 'show')
    const room = await roomOf(context)
    const entry = await room.entry(agent, { signal })
    if (entry === undefined) {
      throw CliError.AGENT_NOT_FOUND({ agent, registry: room.address(), host: room.host })
    }
    const own = await ownAddress(room)
    const blocked =
      own !== null && own !== agent && (await room.isBlockedBy(own, agent, { signal }))
    out.print({ ...shownEntry(entry), blockedByYou: blocked }, (paint) => [
      ...entryLines(entry, paint),
      ...(blocked ? [paint('yellow', 'You have blocked it.')] : []),
    ])
  },
}

export const registryRegister: Command = {
  name: 'registry register',
  summary: 'Register the address of PRIVATE_KEY under a name',
  args: '<name>',
  options: ABOUT,
  examples: ['registry register alice', 'registry register alice --recovery 0x3C44…93BC'],
  timeoutMs: TRANSACTION_MS,

  async run(context) {
    const name = required(context.args, 0, { command: 'registry register', expected: 'a name' })
    const room = await roomOf(context)
    const { publicKey } = await room.signer()
    // Whoever wants to write to it in private, as OpenPond does, finds the key here.
    const metadata = metadataOf(context) ?? JSON.stringify({ encryptionKey: publicKey })
    const recovery = recoveryOf(context) ?? NOBODY
    await send(context, room, { name: 'registerAgent', args: [name, metadata, recovery] })
  },
}

export const registryUpdate: Command = {
  name: 'registry update',
  summary: 'Change what the entry of PRIVATE_KEY says; one transaction for each change',
  options: [
    { flags: '--name <name>', help: 'its name, at most 200 bytes' },
    ...ABOUT,
    {
      flags: '--status <status>',
      help: 'whether it can be written to; discontinued is for good',
      choices: STATUSES,
    },
  ],
  examples: ['registry update --status offline', 'registry update --name Alice --recovery none'],
  timeoutMs: 4 * TRANSACTION_MS,

  async run(context) {
    const name = textOption(context.options, 'name')
    const metadata = metadataOf(context)
    const recovery = recoveryOf(context)
    const status = STATUSES.indexOf(textOption(context.options, 'status') as AgentStatus)
    const calls: readonly RegistryWrite[] = [
      ...(name === undefined ? [] : [{ name: 'updateName', args: [name] } as const]),
      ...(metadata === undefined ? [] : [{ name: 'updateMetadata', args: [metadata] } as const]),
      ...(recovery === undefined ? [] : [{ name: 'setRecovery', args: [recovery] } as const]),
      ...(status < 0 ? [] : [{ name: 'setStatus', args: [status] } as const]),
    ]
    if (calls.length === 0) {
      const expected = '--name, --metadata, --recovery or --status'
      throw CliError.USAGE({ command: 'registry update', expected })
    }
    const room = await roomOf(context)
    const done: Done[] = []
    for (const call of calls) done.push(await sent(context, room, call))
    context.out.print({ transactions: done }, (paint) => done.map((each) => line(each, paint)))
  },
}

export const registryTransfer = onAddress('transfer', {
  summary: 'Offer the entry of PRIVATE_KEY to another address, which accepts it',
  call: (to) => ({ name: 'transferAgent', args: [to] }),
})

export const registryAccept = onAddress('accept', {
  summary: 'Take the entry that an address has offered to that of PRIVATE_KEY',
  call: (from) => ({ name: 'acceptAgent', args: [from] }),
})

export const registryRecover = onAddress('recover', {
  summary: 'Take the entry of an address whose recovery address is that of PRIVATE_KEY',
  call: (agent) => ({ name: 'recoverAgent', args: [agent] }),
})

export const registryBlock = onAddress('block', {
  summary: 'Hear an address no more, 5 minutes later at most; with --all, for everybody, as owner',
  all: true,
  after: LATE,
  call: (agent, all) => ({ name: all ? 'blockForAll' : 'blockAgent', args: [agent] }),
})

export const registryUnblock = onAddress('unblock', {
  summary: 'Take a block back',
  all: true,
  after: LATE,
  call: (agent, all) => ({ name: all ? 'unblockForAll' : 'unblockAgent', args: [agent] }),
})

export const registryRate: Command = {
  name: 'registry rate',
  summary: 'Say how work with an agent went; for raters whom the owner of the registry named',
  args: '<address> <good|bad>',
  examples: ['registry rate 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 good'],
  timeoutMs: TRANSACTION_MS,

  async run(context) {
    const agent = addressArg(context, 'rate')
    const good = oneOf(context, 'rate', ['good', 'bad']) === 'good'
    const call = { name: 'reportInteraction', args: [agent, good] } as const
    await send(context, await roomOf(context), call)
  },
}

export const registryRater: Command = {
  name: 'registry rater',
  summary: 'Let an address rate agents, or no longer; for the owner of the registry',
  args: '<address> <on|off>',
  examples: ['registry rater 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 on'],
  timeoutMs: TRANSACTION_MS,

  async run(context) {
    const rater = addressArg(context, 'rater')
    const on = oneOf(context, 'rater', ['on', 'off']) === 'on'
    await send(context, await roomOf(context), { name: 'setCanRate', args: [rater, on] })
  },
}

export const registryDeploy: Command = {
  name: 'registry deploy',
  summary: 'Put a new registry on the chain, owned by the address of PRIVATE_KEY',
  examples: ['registry deploy --json'],
  timeoutMs: TRANSACTION_MS,

  async run(context) {
    const { out, signal } = context
    const room = await roomOf(context)
    const { contract, hash, block } = await room.deploy({ signal, sent: told(context) })
    out.print({ registry: contract, hash, block: String(block) }, (paint) => [
      `${paint('green', 'Made')} a registry at ${contract}, in block ${block}`,
      `Use it with REGISTRY_ADDRESS=${contract}`,
    ])
  },
}

/** Commands that differ in what they do with one address. */
function onAddress(
  word: string,
  what: {
    readonly summary: string
    /** Takes `--all`, which is for the owner of the registry. */
    readonly all?: true
    readonly after?: readonly string[]
    readonly call: (address: EthAddress, all: boolean) => RegistryWrite
  },
): Command {
  const all = { flags: '--all', help: 'for everybody; the owner of the registry may' }
  return {
    name: `registry ${word}`,
    summary: what.summary,
    args: '<address>',
    ...(what.all === true && { options: [all] }),
    examples: [`registry ${word} 0x70997970C51812dc3A010C7d01b50e0d17dc79C8`],
    timeoutMs: TRANSACTION_MS,

    async run(context) {
      const address = addressArg(context, word)
      const call = what.call(address, flagOption(context.options, 'all'))
      const done = await sent(context, await roomOf(context), call)
      context.out.print(done, (paint) => [line(done, paint), ...(what.after ?? [])])
    },
  }
}

function roomOf(context: Context): Promise<RegistryRoom> {
  return context.rooms.registry({ flags: flagsOf(context), env: context.env })
}

async function send(context: Context, room: RegistryRoom, call: RegistryWrite): Promise<void> {
  const done = await sent(context, room, call)
  context.out.print(done, (paint) => [line(done, paint)])
}

interface Done {
  readonly call: string
  readonly registry: EthAddress
  readonly hash: string
  readonly block: string
}

async function sent(context: Context, room: RegistryRoom, call: RegistryWrite): Promise<Done> {
  const { signal } = context
  const { hash, block } = await room.write(call, { signal, sent: told(context) })
  return { call: call.name, registry: room.address(), hash, block: String(block) }
}

function line({ call, block }: Done, paint: Paint): string {
  return `${paint('green', 'Done')}: ${call} is in block ${block}`
}

/** Whatever comes after, the hash is known. */
function told({ out }: Context): (hash: string) => void {
  return (hash) => out.note(`Sent transaction ${hash}`)
}

/** Null without a key: reading needs none. */
async function ownAddress(room: RegistryRoom): Promise<EthAddress | null> {
  try {
    return ethAddress((await room.signer()).address)
  } catch (error) {
    if (hasCode(error, 'EVM_NOT_CONFIGURED')) return null
    throw error
  }
}
