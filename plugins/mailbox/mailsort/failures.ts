/**
 * Scripts that fail at delivery: logged each time, and reported to the owner once.
 */
import type { Log, SetupContext } from 'iems'
import { writeLetter } from './letters.ts'
import type { Memory } from './memory.ts'
import { hashOf } from './programs.ts'
import type { Occasion } from './sending.ts'
import type { Result } from './sieve/index.ts'

export interface FailureDeps {
  readonly log: Log
  readonly memory: Memory
  readonly submit: SetupContext['submit']
  readonly hostname: string
  now(): number
}

export interface FailedScript {
  readonly owner: string
  readonly name: string
  readonly text: string
  /** It is the account's, and not an administrator's. */
  readonly isOwn: boolean
}

/** A failure that comes back after so long is reported again. */
const REPORTED_MS = 90 * 86_400_000

/** Once for each text of a script. */
export async function reportFailure(
  deps: FailureDeps,
  { account, id, recipient }: Pick<Occasion, 'account' | 'id' | 'recipient'>,
  { owner, name, text, isOwn }: FailedScript,
  { line, column, message }: NonNullable<Result['error']>,
): Promise<void> {
  deps.log.warn('script failed', { owner, name, line, column, cause: message })
  const hash = hashOf(text)
  const note = {
    account: account.id,
    what: `failed ${hash}`,
    by: `${id} ${recipient.address}`,
    keep: REPORTED_MS,
  }
  if (!isOwn || (await deps.memory.isKnown(note))) return
  const to = account.addresses[0] ?? recipient.address
  const content = writeLetter({
    ...{ from: `postmaster@${deps.hostname}`, to: [to], subject: `Your mail filter "${name}" has failed` },
    date: deps.now(),
    messageId: `<failed.${hash.slice(0, 20)}.${account.id}@${deps.hostname}>`,
    auto: 'auto-generated',
    text: `The script "${name}" failed at line ${line}, column ${column}:\n\n    ${message}\n\nThe message stays in your inbox, and so do others until the script is changed.\nThis is said once for each version of a script.\n`,
  })
  await deps.submit({ from: '', to: [to], content, once: `mailsort failed ${account.id} ${hash}` })
}
