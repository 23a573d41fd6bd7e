/**
 * Why the agent registry refuses.
 *
 * Made by `npm run contracts` from `contracts/AgentRegistry.sol`: change that and run it again.
 */

export const refusals = [
  { inputs: [{ name: 'found', type: 'address' }], name: 'AddressUnusable', type: 'error' },
  { inputs: [{ name: 'agent', type: 'address' }], name: 'AlreadyDiscontinued', type: 'error' },
  { inputs: [{ name: 'agent', type: 'address' }], name: 'AlreadyRegistered', type: 'error' },
  { inputs: [{ name: 'agent', type: 'address' }], name: 'BlockedForAll', type: 'error' },
  {
    inputs: [
      { name: 'bytesFound', type: 'uint256' },
      { name: 'bytesMax', type: 'uint256' },
    ],
    name: 'MetadataSize',
    type: 'error',
  },
  {
    inputs: [
      { name: 'bytesFound', type: 'uint256' },
      { name: 'bytesMax', type: 'uint256' },
    ],
    name: 'NameSize',
    type: 'error',
  },
  {
    inputs: [
      { name: 'from', type: 'address' },
      { name: 'caller', type: 'address' },
    ],
    name: 'NotOffered',
    type: 'error',
  },
  { inputs: [{ name: 'caller', type: 'address' }], name: 'NotOwner', type: 'error' },
  { inputs: [{ name: 'caller', type: 'address' }], name: 'NotRater', type: 'error' },
  {
    inputs: [
      { name: 'agent', type: 'address' },
      { name: 'caller', type: 'address' },
    ],
    name: 'NotRecovery',
    type: 'error',
  },
  { inputs: [{ name: 'agent', type: 'address' }], name: 'NotRegistered', type: 'error' },
  { inputs: [{ name: 'caller', type: 'address' }], name: 'OwnRating', type: 'error' },
  {
    inputs: [
      { name: 'agent', type: 'address' },
      { name: 'allowedAt', type: 'uint256' },
    ],
    name: 'RatedTooSoon',
    type: 'error',
  },
] as const
