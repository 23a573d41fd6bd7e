import type { Command, Context } from '../command.ts'
import { textOption } from '../options.ts'
import type { Daemon } from '../rooms.ts'
import { runNode, start } from './start.ts'

/** As the regions are called on a command line, and by their keys in the file. */
const REGIONS: Readonly<Record<string, string>> = {
  'us-east-virginia': 'bootstrap.us_east_virginia',
  'us-west-oregon': 'bootstrap.us_west_oregon',
  'eu-west-amsterdam': 'bootstrap.eu_west_amsterdam',
  'sea-singapore': 'bootstrap.sea_singapore',
}

export const bootstrap: Command = {
  name: 'bootstrap',
  summary: 'Run a first peer: DHT server, relay, connected to the other first peers',
  options: [
    {
      flags: '--region <region>',
      help: 'where it stands, for the lines that others paste',
      choices: Object.keys(REGIONS),
    },
    ...(start.options ?? []).filter(({ flags }) => !flags.startsWith('--preset')),
  ],
  examples: [
    'bootstrap --region eu-west-amsterdam',
    'bootstrap --bootstrap /dns4/other.example/tcp/9000/p2p/12D3KooW…',
  ],

  run: (context) =>
    runNode({ ...context, options: { ...context.options, preset: 'bootstrap' } }, forOthers),
}

/** What others paste to have this node as a first peer, once or for good. */
function forOthers({ listen }: Daemon, { program, self, options }: Context): readonly string[] {
  const key = REGIONS[textOption(options, 'region') ?? ''] ?? 'bootstrap.nodes'
  const addresses = listen.filter((address) => !LOOPBACK.test(address))
  const [first] = addresses.length > 0 ? addresses : listen
  return [
    `${self} status`,
    ...(first === undefined
      ? []
      : [
          `${program} start --bootstrap ${first}`,
          `${program} config set ${key} '${JSON.stringify([first])}'`,
        ]),
  ]
}

const LOOPBACK = /^\/ip4\/127\.|^\/ip6\/::1\//
