import { join } from 'node:path'
import { toHex } from '../../base/index.ts'
import { loadKeys } from '../../identity/index.ts'
import type { Command } from '../command.ts'
import { KEY_FILE } from '../data-files.ts'
import { CliError } from '../errors.ts'
import { fields } from '../output.ts'

export const keysShow: Command = {
  name: 'keys show',
  summary: 'Show the public identity of the data folder; no node needs to run',
  examples: ['keys show', 'keys --json | jq -r .peerId'],
  timeoutMs: 10_000,
  groupDefault: true,

  async run({ dataDir, out }) {
    const file = join(dataDir, KEY_FILE)
    const keys = await loadKeys(file)
    if (keys === undefined) throw CliError.NO_KEY({ file })
    const { peer, publicKey } = keys.signer
    const shown = { peerId: peer, type: 'Ed25519', publicKey: toHex(publicKey), file }
    out.print(shown, (paint) =>
      fields(
        { 'Peer id': peer, 'Public key': `${shown.publicKey} (Ed25519)`, 'Key file': file },
        paint,
      ),
    )
  },
}

export const keysPath: Command = {
  name: 'keys path',
  summary: 'Print where the private key of the node is kept',
  examples: ['keys path'],
  timeoutMs: 10_000,

  async run({ dataDir, out }) {
    const file = join(dataDir, KEY_FILE)
    out.print({ file }, () => [file])
  },
}
