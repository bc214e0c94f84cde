/**
 * 'iems/testing': the tools for testing plugins. See docs/testing.md.
 *
 * Exports are stable within a major version.
 */
export { createLasting, type Lasting } from '../runtime/lasting.ts'
export { memoryStore } from '../store/memory.ts'
export { clientChannel, type DeliverAnswer, type Delivered, deliveredTo, textOf } from './channels.ts'
export { type TestClock, testClock } from './clock.ts'
export {
  type AccountsUnderTest,
  accountsContract,
  CONTRACT_ACCOUNTS,
  type ContractAccount,
  type ContractAccountsApi,
  type MakeAccounts,
} from './contracts/accounts.ts'
export { type ChannelUnderTest, channelContract, type Held, type MakeChannel } from './contracts/channel.ts'
export { type MakeStore, type StoreUnderTest, storeContract } from './contracts/store.ts'
export {
  createTestKernel,
  type TestCall,
  type TestKernel,
  type TestKernelOptions,
  type TestSubmission,
} from './kernel.ts'
export { connectLineClient, type LineClient, type LineClientOptions } from './line-client.ts'
export {
  missing,
  type Program,
  type Ran,
  type RunOptions,
  runProgram,
  type StartOptions,
  startProgram,
} from './program.ts'
export type { Scope } from './scope.ts'
export type { ClientMessage, TestClient, TestSession } from './session.ts'
export { playTranscript, transcriptOctets } from './transcript.ts'
