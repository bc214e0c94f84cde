/** The long form of a test, which exists only where an environment variable asks for it; nothing is skipped elsewhere. */
import { test } from 'node:test'

export const longForm = (isWanted: boolean): typeof test =>
  isWanted ? test : ((() => Promise.resolve()) as unknown as typeof test)
