/**
 * Sends replies and notifications in the account's name, each once per delivery.
 */
import type { Log, Recipient, SetupContext } from 'iems'
import type { Account, AccountsApi } from '../../directory/static/api.ts'
import type { MailStoreApi } from '../store/api.ts'
import type { Memory } from './memory.ts'
import type { Options } from './options.ts'
import { hashOf } from './programs.ts'
import type { FileInto, MessageView } from './sieve/index.ts'

/** The message that is acted on. */
export interface Occasion {
  readonly account: Account
  readonly recipient: Pick<Recipient, 'address' | 'original'>
  /** Equal for a repeated delivery. */
  readonly id: string
  /** The reverse-path. */
  readonly from: string
  readonly isJunk: boolean
}

/** Input of replies and notifications. */
export interface Sending extends Occasion {
  readonly message: MessageView
  readonly options: Options
  readonly memory: Memory
  now(): number
  messageId(what: string): string
  maySendAs(account: string, address: string): Promise<boolean>
  send(letter: {
    readonly to: readonly string[]
    readonly content: string
    readonly key: string
    readonly copyTo: FileInto | undefined
  }): Promise<void>
}

export interface SendingDeps {
  readonly mail: Pick<MailStoreApi, 'find' | 'append'>
  readonly accounts: Pick<AccountsApi, 'maySendAs'>
  readonly log: Log
  readonly submit: SetupContext['submit']
  readonly hostname: string
  readonly options: Options
  readonly memory: Memory
  now(): number
}

export function sendingOf(deps: SendingDeps, occasion: Occasion, message: MessageView): Sending {
  const { mail, log, submit, accounts, hostname, options, memory, now } = deps
  const { account, id: occasionId } = occasion
  return {
    ...occasion,
    ...{ message, options, memory },
    now,
    messageId: (what) => `<${what}.${hashOf(`${occasionId} ${account.id}`).slice(0, 24)}@${hostname}>`,
    maySendAs: (id, address) => accounts.maySendAs(id, address),
    async send({ to, content, key, copyTo }) {
      const { reply: answer } = await submit({
        from: '',
        to,
        content,
        once: `mailsort ${key} ${occasionId} ${account.id}`,
      })
      if (answer.code !== 250) log.warn('not sent', { what: key, account: account.id, reply: answer.text })
      const mailbox = copyTo && (await mail.find(account.id, copyTo.mailbox))
      if (answer.code === 250 && mailbox)
        await mail.append(mailbox, [{ content: once(content), flags: copyTo.flags ?? [] }])
    },
  }
}

async function* once(content: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(content)
}
