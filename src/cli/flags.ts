/** The options of a command as the flags of a configuration, checked as far as words can be. */

import { resolve } from 'node:path'
import type { Flags } from '../node/index.ts'
import type { Context } from './command.ts'
import { listOption, parsePort, textOption } from './options.ts'

/** What was said on the command line and nothing else: absent is not the same as the default. */
export function flagsOf({ cwd, options }: Pick<Context, 'cwd' | 'options'>): Flags {
  const port = (name: string, option: string) => {
    const text = textOption(options, name)
    return text === undefined ? undefined : parsePort(text, { command: 'start', option })
  }
  const path = (name: string) => {
    const text = textOption(options, name)
    return text === undefined ? undefined : resolve(cwd, text)
  }
  return withoutUndefined({
    data: path('data'),
    config: path('config'),
    listen: listOption(options, 'listen'),
    bootstrap: listOption(options, 'bootstrap'),
    apiPort: port('apiPort', '--api-port'),
    mcpPort: port('mcpPort', '--mcp-port'),
    grpcPort: port('grpcPort', '--grpc-port'),
    network: textOption(options, 'network'),
    preset: textOption(options, 'preset'),
  })
}

type Present<T> = { readonly [Key in keyof T]?: Exclude<T[Key], undefined> }

function withoutUndefined<T extends object>(given: T): Present<T> {
  const present = Object.entries(given).filter(([, value]) => value !== undefined)
  return Object.fromEntries(present) as Present<T>
}
