/**
 * One client's session: commands run one at a time, and each is answered before the next starts.
 *
 * Invariants: all input gets OK, NO, BAD or BYE; an internal error is NO and never affects another session; after each
 * command the client gets others' changes, in numbers it knows.
 */
import { Broken, ConnectionClosed, type Identity, IemsError, LineTooLong, type LineWriter, TimedOut } from 'iems'
import type { Entry, Mailbox, MailStoreApi, Uids } from '../../mailbox/store/api.ts'
import type { ImapChange } from './api.ts'
import type { CommandDefinition } from './command.ts'
import { CommandReader, type ReadCommand } from './command-reader.ts'
import type { CommandContext, SessionDeps } from './context.ts'
import { type Cursor, SyntaxFault } from './grammar/cursor.ts'
import type { FetchItem } from './grammar/fetch.ts'
import { lastOf } from './grammar/sets.ts'
import { createNames, type Named, type Names } from './names.ts'
import { Notices } from './notices.ts'
import { bad, no, RESPONDED, type TaggedResponse } from './responses.ts'
import { fromUtf7, mailboxName } from './text.ts'
import type { View } from './view.ts'

/** No mailbox can have this name. */
const NO_NAME = '\0'
const TAG = /^[!#$&',\-./0-9:;<=>?@A-Z[\]^_`a-z|}~]+/

export class Session implements CommandContext {
  readonly #notices = new Notices(this, (why) => this.#close(why))
  readonly #reader = new CommandReader(this)
  readonly parts: SessionDeps
  account: { readonly id: string; readonly user: string; readonly roles: readonly string[] } | undefined
  names: Names | undefined
  view: View | undefined
  readonly enabled = new Set<string>()
  isCompressed = false
  failedLogins = 0
  /** NOTIFY: the items sent for new messages of the selected mailbox. */
  newItems: readonly FetchItem[] | undefined
  #isOver = false
  #errors = 0

  constructor(parts: SessionDeps) {
    this.parts = parts
  }

  get mail(): MailStoreApi {
    return this.parts.mail
  }

  get output(): LineWriter {
    return this.parts.output
  }

  /** Names and strings may be UTF-8, because IMAP4rev2 or UTF8=ACCEPT is enabled. */
  get isUtf8(): boolean {
    return this.enabled.has('IMAP4REV2') || this.enabled.has('UTF8=ACCEPT')
  }

  get isCondstore(): boolean {
    return this.enabled.has('CONDSTORE') || this.enabled.has('QRESYNC')
  }

  /** RFC 7162 section 3.1: a client that enables CONDSTORE in a selected mailbox gets HIGHESTMODSEQ. */
  enableCondstore(): void {
    if (!this.isCondstore && this.view)
      this.output.line(`* OK [HIGHESTMODSEQ ${this.view.mailbox.modseq}] Highest modification sequence`)
    this.enabled.add('CONDSTORE')
  }

  // --- life ---

  async run(greeting: string): Promise<void> {
    const { input, output } = this.parts
    try {
      output.line(greeting)
      await output.flush()
      while (!this.#isOver && (await this.#hasCommand())) await this.#command()
      if (this.parts.signal.aborted && !this.#isOver)
        output.line(
          `* BYE ${this.parts.open.revoked.aborted ? this.parts.open.revoked.reason : 'Server shutting down'}`,
        )
      await output.flush()
    } catch (error) {
      await this.#part(error)
    } finally {
      this.logOut()
      input.detach()
    }
  }

  async #part(error: unknown): Promise<void> {
    const { output, log } = this.parts
    if (error instanceof ConnectionClosed) return
    if (error instanceof Broken) {
      log.error('session cut off', { user: this.account?.user, cause: error })
      throw error
    }
    const why = error instanceof TimedOut ? 'Autologout; idle for too long' : 'Internal error'
    if (!(error instanceof TimedOut)) log.error('session failed', { cause: error })
    try {
      output.line(`* BYE ${why}`)
      await output.flush()
    } catch {
      // The client cannot be notified either.
    }
  }

  /**
   * Consulted between steps of long work: undefined, or a promise that resolves after other sessions had their turn.
   */
  pause(): Promise<void> | undefined {
    return this.parts.input.pace.due()
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Ends the session after the current command. */
  end(): void {
    this.#isOver = true
  }

  // --- commands ---

  /**
   * Waits for a command, sending notifications meanwhile if the client requested them. False: the server is stopping.
   */
  async #hasCommand(): Promise<boolean> {
    const { input, options, signal } = this.parts
    input.timeout = this.account ? options.timeouts.idle : options.timeouts.login
    if (!this.#notices.areAtOnce) return input.waits(signal)
    return this.#notices.listen(() => this.#notices.sendNews())
  }

  async #command(): Promise<void> {
    const { input, output, options } = this.parts
    let answer: TaggedResponse
    let tag = '*'
    let definition: CommandDefinition | undefined
    let isUid = false
    try {
      const first = (await input.line(options.limits.lineLength)).toString('latin1')
      tag = TAG.exec(first)?.[0] ?? '*'
      const read = await this.#reader.read(first.slice(tag === '*' ? 0 : tag.length))
      definition = read.definition
      isUid = read.isUid
      answer = tag === '*' ? bad('Expected a tag') : await this.#perform(tag, read)
    } catch (error) {
      answer = this.#answerTo(error)
    }
    if (answer.status === 'BAD' && ++this.#errors > options.limits.errors) {
      output.line('* BYE Too many invalid commands')
      this.end()
    }
    // EXPUNGE during a FETCH by number would shift the numbers.
    if (!this.#isOver) await this.#notices.tellChanges(!(definition?.keepsNumbers && !isUid))
    if (answer === RESPONDED) return
    const code = answer.code === undefined ? '' : `[${answer.code}] `
    output.line(`${tag} ${answer.status} ${code}${answer.text}`)
    await output.flush()
  }

  #answerTo(error: unknown): TaggedResponse {
    if (error instanceof SyntaxFault) return bad(error.message.replace(/[^\x20-\x7e]/g, '?'))
    if (error instanceof LineTooLong) {
      this.output.line('* BYE Line too long')
      this.end()
      return bad('Line too long')
    }
    if (error instanceof ConnectionClosed || error instanceof TimedOut || error instanceof Broken) throw error
    this.parts.log.error('command failed', { user: this.account?.user, cause: error })
    return failed(error)
  }

  async #perform(tag: string, { name, isUid, definition, cursor, more }: ReadCommand): Promise<TaggedResponse> {
    if (!definition) return bad('Unknown command')
    const refusal =
      this.#outOfPlace(definition) ??
      (definition.state === 'selected' ? await this.shutOut() : undefined) ??
      (await this.#judged(isUid ? `UID ${name}` : name))
    if (!refusal) return definition.run(this, { tag, name, isUid, cursor, more })
    if (definition.reads) await this.#reader.passOver(more)
    return refusal
  }

  #outOfPlace({ state }: CommandDefinition): TaggedResponse | undefined {
    if (state === 'before' && this.account) return bad('Already authenticated')
    if (state === 'selected' && this.account && !this.view) return bad('No mailbox selected')
    return (state === 'authenticated' || state === 'selected') && !this.account ? bad('Not authenticated') : undefined
  }

  /** Closes the selected mailbox of another account as soon as its owner revokes the right to read. */
  async shutOut(): Promise<TaggedResponse | undefined> {
    const { view } = this
    if (!view || view.mailbox.account === this.account?.id) return undefined
    const now = await this.mail.mailbox(view.mailbox)
    if (!now) return undefined
    // Later checks of other rights use the current ACL too.
    view.mailbox = { ...view.mailbox, acl: now.acl }
    return (await this.may(now, 'r')) ? undefined : this.#close('Mailbox access revoked')
  }

  /** RFC 9051 section 6.3.5 leaves this to the server; the client's sequence numbers are void. */
  #close(why: string): TaggedResponse {
    this.output.line(`* BYE ${why}`)
    this.end()
    return no(why, 'NOPERM')
  }

  /** The refusal of a plugin for a command. */
  async #judged(name: string): Promise<TaggedResponse | undefined> {
    const refusal = await this.parts.judge({
      name,
      ...this.#who(),
      ...(this.view ? { mailbox: this.view.mailbox } : {}),
    })
    if (!refusal) return undefined
    const { code, text } = refusal.reply
    if (code === 421) {
      this.output.line(`* BYE ${text}`)
      this.end()
    }
    return no(text, code < 500 ? 'UNAVAILABLE' : 'NOPERM')
  }

  #who(): { readonly user?: string; readonly account?: string } {
    return this.account ? { user: this.account.user, account: this.account.id } : {}
  }

  /** Notifies plugins of the client's changes to messages. They have happened, so faults have no effect. */
  async changed(change: Omit<ImapChange, 'remote' | 'user' | 'account'>): Promise<void> {
    if (change.uids.length === 0) return
    await this.parts
      .tellPlugins({ ...change, ...this.#who() })
      .catch((cause) => this.parts.log.warn('a plugin failed over a change', { cause }))
  }

  // --- identity ---

  async logIn({ user, account, roles = [] }: Identity): Promise<boolean> {
    const { accounts, options } = this.parts
    const found = account === undefined ? undefined : await accounts.byId(account)
    if (!found) return false
    const shared = options.shared === undefined ? undefined : await accounts.byName(options.shared)
    this.account = { id: found.id, user, roles }
    // Groups may have changed, and with them the rights of a waiting client to another account's mailbox.
    this.parts.open.onRechecked(() => {
      if (this.view && this.view.mailbox.account !== this.account?.id) this.#notices.wake()
    })
    this.names = createNames({ self: found.id, accounts, shared })
    return true
  }

  logOut(): void {
    this.deselect()
    this.watchOthers([], async () => {}, false)
    this.account = undefined
    this.names = undefined
    this.enabled.clear()
  }

  // --- mailboxes ---

  /** Reads a mailbox name in this client's encoding. */
  readName(cursor: Cursor): string {
    return this.fromClient(cursor.astring())
  }

  /** Decodes a name or pattern from the client. */
  fromClient(text: string): string {
    // Clients that send UTF-8 without ENABLE mean it; a malformed & would become another name than the client expects.
    return this.isUtf8 ? text : (fromUtf7(text) ?? (/^[\x20-\x7e]*$/.test(text) ? NO_NAME : text))
  }

  writeName(name: string): string {
    return mailboxName(name, this.isUtf8)
  }

  async named(name: string): Promise<Named | undefined> {
    return this.names?.find(name)
  }

  /** The mailbox with that name, if the client may see it and has this right. */
  async mailbox(name: string, right: string): Promise<Mailbox | TaggedResponse> {
    const named = await this.named(name)
    const mailbox = named && (await this.mail.find(named.account, named.name))
    const rights = mailbox ? await this.mail.rights(mailbox, this.account?.id ?? '') : ''
    // Without the right to list it, its existence is not revealed.
    if (!mailbox || !(rights.includes('l') || rights.includes('r'))) return no('No such mailbox', 'NONEXISTENT')
    return [...right].every((one) => rights.includes(one)) ? mailbox : no('Permission denied', 'NOPERM')
  }

  async may(mailbox: Mailbox, right: string): Promise<boolean> {
    const rights = await this.mail.rights(mailbox, this.account?.id ?? '')
    return [...right].every((one) => rights.includes(one))
  }

  select(view: View): void {
    this.view = view
    this.#notices.watch(view)
  }

  deselect(): void {
    this.#notices.unwatch()
    this.view = undefined
  }

  /** RFC 9738: limits a command to the messages with the highest UIDs, with the response code. */
  limited(uids: Uids): { readonly uids: Uids; readonly code?: string } {
    const most = this.parts.options.limits.messagesPerCommand
    const { uids: chosen, from } = lastOf(uids, most ?? Number.POSITIVE_INFINITY)
    return { uids: chosen, ...(from === undefined ? {} : { code: `MESSAGELIMIT ${most} ${from}` }) }
  }

  // --- notifications ---

  listen(tell: () => Promise<void>): Promise<boolean> {
    return this.#notices.listen(tell)
  }

  watchOthers(...args: Parameters<CommandContext['watchOthers']>): void {
    this.#notices.watchOthers(...args)
  }

  sendNews(): Promise<void> {
    return this.#notices.sendNews()
  }

  writeFlags(view: View): void {
    this.#notices.writeFlags(view)
  }

  learn(flags: readonly string[]): void {
    this.#notices.learn(flags)
  }

  flagLine(number: number, entry: Pick<Entry, 'uid' | 'flags' | 'modseq'>): string {
    return this.#notices.flagLine(number, entry)
  }
}

/** RFC 5530: informs the client's user about a server failure. */
function failed(error: unknown): TaggedResponse {
  const code = error instanceof IemsError ? error.code : ''
  if (code === 'IEMS_STORE_FULL') return no('No space left on the server; try again later', 'UNAVAILABLE')
  if (code.startsWith('IEMS_BLOB_')) return no('Message content is missing on the server', 'CORRUPTION')
  if (code.startsWith('IEMS_STORE_')) return no('Store unavailable; try again later', 'UNAVAILABLE')
  return no('Internal error; try again later', 'SERVERBUG')
}
