/**
 * What the agent registry answers.
 *
 * Made by `npm run contracts` from `contracts/AgentRegistry.sol`: change that and run it again.
 */

export const reads = [
  {
    inputs: [],
    name: 'METADATA_BYTES_MAX',
    outputs: [{ name: '', type: 'uint256' }],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [],
    name: 'NAME_BYTES_MAX',
    outputs: [{ name: '', type: 'uint256' }],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [],
    name: 'RATING_PAUSE',
    outputs: [{ name: '', type: 'uint256' }],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [],
    name: 'agentCount',
    outputs: [{ name: '', type: 'uint64' }],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [{ name: 'agent', type: 'address' }],
    name: 'blockedForAll',
    outputs: [{ name: '', type: 'bool' }],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [{ name: 'rater', type: 'address' }],
    name: 'canRate',
    outputs: [{ name: '', type: 'bool' }],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [{ name: 'agent', type: 'address' }],
    name: 'getAgentInfo',
    outputs: [
      {
        components: [
          { name: 'id', type: 'uint64' },
          { name: 'registered', type: 'uint64' },
          { name: 'updated', type: 'uint64' },
          { name: 'status', type: 'uint8' },
          { name: 'recovery', type: 'address' },
          { name: 'name', type: 'string' },
          { name: 'metadata', type: 'string' },
        ],
        name: '',
        type: 'tuple',
      },
    ],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [{ name: 'agent', type: 'address' }],
    name: 'getReputation',
    outputs: [
      { name: 'successes', type: 'uint64' },
      { name: 'failures', type: 'uint64' },
    ],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [
      { name: 'by', type: 'address' },
      { name: 'agent', type: 'address' },
    ],
    name: 'isBlockedBy',
    outputs: [{ name: '', type: 'bool' }],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [{ name: 'agent', type: 'address' }],
    name: 'isRegistered',
    outputs: [{ name: '', type: 'bool' }],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [],
    name: 'offeredOwner',
    outputs: [{ name: '', type: 'address' }],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [{ name: 'from', type: 'address' }],
    name: 'offeredTo',
    outputs: [{ name: '', type: 'address' }],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [],
    name: 'owner',
    outputs: [{ name: '', type: 'address' }],
    stateMutability: 'view',
    type: 'function',
  },
  {
    inputs: [
      { name: 'agent', type: 'address' },
      { name: 'to', type: 'address' },
    ],
    name: 'standing',
    outputs: [
      { name: 'id', type: 'uint64' },
      { name: 'status', type: 'uint8' },
      { name: 'forAll', type: 'bool' },
      { name: 'byReceiver', type: 'bool' },
    ],
    stateMutability: 'view',
    type: 'function',
  },
] as const
