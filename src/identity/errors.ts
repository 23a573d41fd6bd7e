import { defineErrors } from '../base/index.ts'

export const IdentityError = defineErrors('IDENTITY', {
  PEER_ID_INVALID: {
    says: (f: { found: string }) =>
      `Cannot read peer id "${f.found}": wanted a base58 peer id such as 12D3KooW…`,
  },
  SIGNATURE_INVALID: {
    says: (f: { domain: string; signer: string }) =>
      `Cannot accept "${f.domain}" from ${f.signer}: the signature does not hold`,
  },
  KEY_FILE_EXPOSED: {
    says: (f: { file: string; mode: string }) =>
      `Cannot use key file ${f.file}: its mode is ${f.mode}, so others can read it. ` +
      `Run: chmod 600 ${f.file}`,
  },
  KEY_FILE_UNREADABLE: {
    says: (f: { file: string; reason: string }) =>
      `Cannot read key file ${f.file}: ${f.reason}. Make it readable by the user who runs the node`,
  },
  KEY_FILE_MALFORMED: {
    says: (f: { file: string }) =>
      `Cannot read key file ${f.file}: it holds no Ed25519 key of ours. ` +
      'Restore it from a backup, or move it away to start with a new identity',
  },
  KEY_FILE_UNWRITABLE: {
    says: (f: { file: string; reason: string }) =>
      `Cannot write key file ${f.file}: ${f.reason}. ` +
      'Free some space or choose another --data folder',
  },
  ETH_ADDRESS_INVALID: {
    says: (f: { found: string; reason: string }) =>
      `Cannot read Ethereum address "${f.found}": ${f.reason}`,
  },
  ETH_KEY_INVALID: {
    says: (f: { from?: string }) =>
      `Cannot use the Ethereum key${f.from === undefined ? '' : ` of ${f.from}`}: ` +
      'wanted 64 hex digits, with or without 0x, that are a key of secp256k1. ' +
      'What was given is not shown, for it may be nearly one',
  },
  ETH_KEY_FILE_MALFORMED: {
    says: (f: { file: string }) =>
      `Cannot read key file ${f.file}: it holds no Ethereum key of 64 hex digits. ` +
      'Restore it from a backup, or move it away to start with a new address',
  },
  BINDING_INVALID: {
    says: (f: { field: string; found: string }) =>
      `Cannot accept the binding of an address to a peer: its ${f.field} is ${f.found}`,
  },
})
