import { testRecordStorage } from '../../test/contract/record-storage.ts'
import { MemoryStore } from './memory-store.ts'

testRecordStorage('MemoryStore', () => new MemoryStore())
