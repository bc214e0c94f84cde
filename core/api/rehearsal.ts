/**
 * Another configuration beside the running one, as plugins use it: it examines messages and says what it would do.
 */
import type { MailParameters, Session } from './hooks.ts'
import type { Reply } from './reply.ts'
import type { Examination } from './session.ts'

/** A message as the running configuration received it. */
export interface RehearsedMessage {
  readonly session: Session
  readonly from: string
  readonly parameters: MailParameters
  /** As the client named them. */
  readonly recipients: readonly string[]
  readonly content: Uint8Array
}

/** A refusal before the content, or the result of the examination with the header fields asked for. */
export type Rehearsed =
  | { readonly refused: Reply }
  | (Pick<Examination, 'verdict' | 'refused'> & {
      readonly refusedBefore: readonly { readonly address: string; readonly reply: Reply }[]
      readonly messages: readonly {
        readonly recipients: readonly string[]
        readonly content: Uint8Array
      }[]
    })

export interface Rehearsal {
  examine(message: RehearsedMessage): Promise<Rehearsed>
  close(): Promise<void>
}
