/**
 * Notifies a client of changes by itself and by others, in the selected mailbox and, with NOTIFY, in others.
 *
 * Invariants: a change is sent once, with numbers that the client knows; a signal of another session or server is only
 * a reason to look, and the mailbox's mod-sequence shows the changes.
 */
import { sendNew } from './commands/fetch.ts'
import type { CommandContext } from './context.ts'
import { formatSet } from './grammar/sets.ts'
import type { TaggedResponse } from './responses.ts'
import { flagList } from './text.ts'
import type { View } from './view.ts'

const SYSTEM_FLAGS = '\\Answered \\Flagged \\Deleted \\Seen \\Draft'

export class Notices {
  readonly #session: CommandContext
  readonly #close: (why: string) => TaggedResponse
  #stopWatching: (() => void) | undefined
  #wake: (() => void) | undefined
  /** NOTIFY: changed mailboxes other than the selected one, and how they are reported. */
  readonly #others = new Set<string>()
  #stopOthers: readonly (() => void)[] = []
  #tellOthers: (mailboxes: readonly string[]) => Promise<void> = async () => {}
  #sendsAtOnce = false

  constructor(session: CommandContext, close: (why: string) => TaggedResponse) {
    this.#session = session
    this.#close = close
  }

  /** Changes are sent as they happen, without a command. */
  get areAtOnce(): boolean {
    return this.#sendsAtOnce
  }

  /** Sends notifications until the client sends something. False: the session has ended. */
  async listen(send: () => Promise<void>): Promise<boolean> {
    const { input, output, signal } = this.#session.parts
    let news = new AbortController()
    this.#wake = () => news.abort()
    const ended = () => news.abort()
    signal.addEventListener('abort', ended, { once: true })
    try {
      for (;;) {
        await send()
        await output.flush()
        if (this.#session.isOver || signal.aborted) return false
        if (await input.waits(news.signal)) return true
        news = new AbortController()
      }
    } finally {
      this.#wake = undefined
      signal.removeEventListener('abort', ended)
    }
  }

  /** Watches the selected mailbox from now on. */
  watch({ mailbox }: View): void {
    this.#stopWatching = this.#session.mail.watch(mailbox.account, (mailboxes) => {
      if (mailboxes.includes(mailbox.id)) this.wake()
    })
  }

  unwatch(): void {
    this.#stopWatching?.()
    this.#stopWatching = undefined
  }

  /** Wakes a waiting session to send changes. */
  wake(): void {
    this.#wake?.()
  }

  /**
   * Sends changes in mailboxes of these accounts from now on, replacing earlier ones; `selected`: also of the selected
   * one, at once.
   */
  watchOthers(
    accounts: readonly string[],
    tell: (mailboxes: readonly string[]) => Promise<void>,
    selected: boolean,
  ): void {
    for (const stop of this.#stopOthers) stop()
    this.#session.newItems = undefined
    this.#tellOthers = tell
    this.#sendsAtOnce = accounts.length > 0 || selected
    this.#stopOthers = accounts.map((account) =>
      this.#session.mail.watch(account, (mailboxes) => {
        for (const id of mailboxes) this.#others.add(id)
        this.#wake?.()
      }),
    )
  }

  /** Sends all changes. */
  async sendNews(): Promise<void> {
    const ids = [...this.#others]
    this.#others.clear()
    if (ids.length > 0) await this.#tellOthers(ids)
    await this.tellChanges(true)
  }

  /** Sends changes since the last notification, by any session or server, as the mailbox's mod-sequence shows them. */
  async tellChanges(mayExpunge: boolean): Promise<void> {
    const { view, output, mail, enabled } = this.#session
    if (!view) return
    const sent = await view.sync(mail, mayExpunge)
    if (sent === 'gone') return void this.#close('Mailbox deleted')
    if (!(await this.#session.may(view.mailbox, 'r'))) return void this.#close('Mailbox access revoked')
    if (enabled.has('QRESYNC') || enabled.has('UIDONLY')) {
      if (sent.vanished.length > 0) output.line(`* VANISHED ${formatSet(sent.vanished)}`)
    } else for (const number of sent.expunged) output.line(`* ${number} EXPUNGE`)
    if (sent.exists) output.line(`* ${view.count} EXISTS`)
    for (const { number, entry } of sent.changed) output.line(this.flagLine(number, entry))
    if (this.#session.newItems) await sendNew(this.#session, sent.added, this.#session.newItems)
  }

  /** Sends the flags and permanent flags of the selected mailbox. */
  writeFlags({ keywords, isReadOnly }: View): void {
    const all = [SYSTEM_FLAGS, ...keywords.values()].join(' ')
    this.#session.output.line(`* FLAGS (${all})`)
    this.#session.output.line(`* OK [PERMANENTFLAGS (${isReadOnly ? '' : `${all} \\*`})] Flags permitted`)
  }

  /** RFC 9051 section 7.3.5: announces new keywords before a message shows them. */
  learn(flags: readonly string[]): void {
    const { view } = this.#session
    if (view?.learn(flags)) this.writeFlags(view)
  }

  /** A FETCH response with flags. */
  flagLine(number: number, { uid, flags, modseq }: { uid: number; flags: readonly string[]; modseq: number }): string {
    const { isCondstore, enabled } = this.#session
    this.learn(flags)
    const modseqItem = isCondstore ? ` MODSEQ (${modseq})` : ''
    if (enabled.has('UIDONLY')) return `* ${uid} UIDFETCH (FLAGS ${flagList(flags)}${modseqItem})`
    const uidItem = isCondstore || enabled.has('IMAP4REV2') ? `UID ${uid} ` : ''
    return `* ${number} FETCH (${uidItem}FLAGS ${flagList(flags)}${modseqItem})`
  }
}
