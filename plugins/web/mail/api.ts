/**
 * The Webmail service: what other plugins add to the web mail.
 *
 * Declared first, mounted second: a banner is data that this server asks the plugin for; a module is a file of the
 * plugin that the browser loads from this server, under the policy of the page. No framework is shared.
 */
import { defineService } from 'iems'

/** A text in English and further languages, by their codes. */
export type Texts = { readonly en: string } & Readonly<Record<string, string>>

export interface Banner {
  /** `quiet` and `good` are one line below the sender; `warning` is a box above the text. */
  readonly tone: 'quiet' | 'good' | 'warning'
  readonly text: Texts
  /** More, when the reader asks why. */
  readonly why?: Texts
}

/** A message that is being read, by the account that holds it. */
export interface ShownMessage {
  readonly account: string
  /** Id of the email in the mail store. */
  readonly email: string
  /** Values of a header field by its name in lower case, top to bottom, unfolded. */
  field(name: string): readonly string[]
}

export interface BannerSlot {
  /** Of the plugin, such as `sender-auth`. */
  readonly name: string
  /** A throw leaves the banner out and is logged. */
  show(message: ShownMessage): Promise<Banner | undefined> | Banner | undefined
}

/**
 * Position of a module: next to an open message, in its menu, in the composer's menu, before a message is sent, or among
 * the settings.
 */
export type ModuleSlot = 'message.aside' | 'message.action' | 'compose.action' | 'compose.check' | 'settings'

export interface ModuleSlotEntry {
  /** Of the plugin; with the slot it is unique. */
  readonly name: string
  readonly title: Texts
  /**
   * A JavaScript module without imports: `file:` URL, read once. It exports `mount(element, host)` for an aside or
   * settings, whose answer unmounts it; `run(host)` for actions; `check(host)` for a check, whose answer is a
   * sentence that keeps a message from being sent, or nothing.
   */
  readonly module: URL
}

/**
 * A word on the rows of a list: the conversations with a keyword, which the plugin sets on messages. IMAP programs see
 * the same keyword.
 */
export interface BadgeSlot {
  /** Of the plugin. */
  readonly name: string
  /** In lower case, as JMAP has it. */
  readonly keyword: string
  readonly text: Texts
  /** Default: `quiet`. */
  readonly tone?: 'quiet' | 'good' | 'warn' | 'bad'
}

/** A further application of this server, to which the account's menu leads. */
export interface AppSlot {
  /** Of the plugin. */
  readonly name: string
  readonly title: Texts
  /** On this server, such as `/crm/`. */
  readonly path: string
  /** A permission that a login needs to see it. Default: every login. */
  readonly who?: string
}

export interface WebmailApi {
  add(slot: 'message.banner', banner: BannerSlot): void
  add(slot: ModuleSlot, module: ModuleSlotEntry): void
  add(slot: 'list.badge', badge: BadgeSlot): void
  add(slot: 'app', app: AppSlot): void
}

export const Webmail = defineService<WebmailApi>('webmail')
