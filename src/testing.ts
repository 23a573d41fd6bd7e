/** `import 'p2p-foundation/testing'`: whole nodes for the tests of whoever builds on this. */

export { type TestNet, type TestNetOptions, testnet } from './node/index.ts'
