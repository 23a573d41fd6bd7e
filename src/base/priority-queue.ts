/** Items in the order of their turn, the least first: a heap, so that many of them are cheap. */

export { default as PriorityQueue } from 'tinyqueue'
