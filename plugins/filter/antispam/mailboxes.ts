/**
 * Connects the filter to mailboxes: files junk into Junk, and learns from users' moves.
 */
import type { Delivery, HookContext } from 'iems'
import { gather } from 'iems/mime'
import type { Filing, MailStoreApi, Moved } from '../../mailbox/store/api.ts'
import type { Classifier } from './classifier/classifier.ts'
import type { Kind } from './classifier/corpus.ts'
import { tokensOf } from './classifier/tokens.ts'
import { type MessageText, readLetter } from './content/message-text.ts'
import { urisOf } from './content/uris.ts'
import type { Options } from './options.ts'

/** RFC 9051: the keyword with which clients mark junk. */
const JUNK = '$Junk'

function isJunkFor({ message }: Delivery, account: string): boolean {
  return message.findings.some(
    ({ name, value }) =>
      (name === 'junk' && value === true) || (name === 'junk-for' && `${value}`.split(' ').includes(account)),
  )
}

/** Changes only the default mailbox of junk, so that a user's own rules can still file it elsewhere. */
export function file(filing: Filing): Filing | undefined {
  const { account, delivery, actions } = filing
  if (!isJunkFor(delivery, account.id)) return undefined
  const mailbox = { specialUse: '\\Junk', name: 'Junk' } as const
  return { ...filing, actions: [...actions, { kind: 'default', mailbox, flags: [JUNK], reason: 'found to be junk' }] }
}

/** The kind that a move assigns to a message, if any. */
function kindOf({ from, to }: Moved): Kind | undefined {
  if (to.specialUse === '\\Junk') return 'junk'
  if (to.specialUse === '\\Archive') return 'ham'
  return from.specialUse === '\\Junk' && to.specialUse !== '\\Trash' ? 'ham' : undefined
}

export interface LearningDeps {
  readonly mail: MailStoreApi
  readonly classifier: Classifier
  readonly content: Options['content']
}

export function createLearning({ mail, classifier, content }: LearningDeps) {
  return async function moved(move: Moved, { signal }: HookContext): Promise<void> {
    const kind = kindOf(move)
    if (kind === undefined) return
    for (const id of move.emails) {
      if (signal.aborted) return
      const email = await mail.email(id)
      if (!email) continue
      const letter = await readLetter(await gather(email.open(), content.size), content)
      await classifier.learn({ kind, account: move.account, ...lessonOf(letter, content) })
    }
  }
}

/** A message in the form that the classifier learns. */
export function lessonOf(letter: MessageText, { uris }: Options['content']) {
  return { views: tokensOf(letter, urisOf(letter.raw, uris)), messageId: letter.field('message-id')[0] ?? '' }
}
