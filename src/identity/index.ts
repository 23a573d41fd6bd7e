/**
 * Floor 2. Who is speaking: keys, names and signatures.
 *
 * In: a key file. Out: a `Signer`, peer ids, and the answer whether a signature holds.
 * Start reading at `signed.ts`.
 */

export { type Agreement, agreementOf } from './agreement.ts'
export {
  BINDING_BYTES_MAX,
  BINDING_LIFE_MS_MAX,
  BINDING_OF_LATER,
  type Binding,
  type BindingRules,
  bindingText,
  openBinding,
  readBinding,
  signBinding,
} from './binding.ts'
export { IdentityError } from './errors.ts'
export { loadOrCreateEthSigner } from './eth-keyring.ts'
export {
  ETH_ADDRESS_BYTES,
  ETH_SIGNATURE_BYTES,
  type EthAddress,
  type EthSigner,
  ethAddress,
  ethAddressFromBytes,
  ethAddressToBytes,
  ethKeyFromText,
  ethKeyOf,
  ethSigner,
  ethSignerOf,
  isEthAddress,
  keccak256,
  newEthKey,
} from './ethereum.ts'
export {
  generateKeys,
  type LocalKeys,
  loadKeys,
  loadOrCreateKeys,
  type NodeKeys,
} from './keyring.ts'
export {
  type PeerId,
  peerId,
  peerIdFromBytes,
  peerIdFromPublicKey,
  peerIdToBytes,
  publicKeyOf,
} from './peer.ts'
export {
  type LocalSigner,
  SIGNATURE_BYTES,
  type SignedField,
  type Signer,
  signedBytes,
  signerFromSeed,
  verifySignature,
} from './signed.ts'
