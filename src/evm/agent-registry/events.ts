/**
 * What the agent registry tells of.
 *
 * Made by `npm run contracts` from `contracts/AgentRegistry.sol`: change that and run it again.
 */

export const events = [
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'by', type: 'address' },
      { indexed: true, name: 'agent', type: 'address' },
    ],
    name: 'AgentBlocked',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [{ indexed: true, name: 'agent', type: 'address' }],
    name: 'AgentBlockedForAll',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'agent', type: 'address' },
      { indexed: true, name: 'id', type: 'uint64' },
      { indexed: false, name: 'name', type: 'string' },
    ],
    name: 'AgentRegistered',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'from', type: 'address' },
      { indexed: true, name: 'to', type: 'address' },
      { indexed: true, name: 'id', type: 'uint64' },
    ],
    name: 'AgentTransferred',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'by', type: 'address' },
      { indexed: true, name: 'agent', type: 'address' },
    ],
    name: 'AgentUnblocked',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [{ indexed: true, name: 'agent', type: 'address' }],
    name: 'AgentUnblockedForAll',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'agent', type: 'address' },
      { indexed: false, name: 'metadata', type: 'string' },
    ],
    name: 'MetadataUpdated',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'agent', type: 'address' },
      { indexed: false, name: 'name', type: 'string' },
    ],
    name: 'NameUpdated',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'from', type: 'address' },
      { indexed: true, name: 'to', type: 'address' },
    ],
    name: 'OwnershipOffered',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'from', type: 'address' },
      { indexed: true, name: 'to', type: 'address' },
    ],
    name: 'OwnershipTransferred',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'rater', type: 'address' },
      { indexed: false, name: 'allowed', type: 'bool' },
    ],
    name: 'RaterChanged',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'agent', type: 'address' },
      { indexed: true, name: 'recovery', type: 'address' },
    ],
    name: 'RecoveryChanged',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'agent', type: 'address' },
      { indexed: true, name: 'rater', type: 'address' },
      { indexed: false, name: 'success', type: 'bool' },
    ],
    name: 'ReputationUpdated',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'agent', type: 'address' },
      { indexed: false, name: 'status', type: 'uint8' },
    ],
    name: 'StatusChanged',
    type: 'event',
  },
  {
    anonymous: false,
    inputs: [
      { indexed: true, name: 'from', type: 'address' },
      { indexed: true, name: 'to', type: 'address' },
    ],
    name: 'TransferOffered',
    type: 'event',
  },
] as const
