/**
 * The Inbox for browsers without script: pages made on the server, to be read only.
 *
 * Invariants: a page shows the login's own messages; of a message only text is shown, never its markup, so that nothing
 * runs and nothing is loaded.
 */
import { createHash } from 'node:crypto'
import { decodePart, decodeWords, gather, type MimePart } from 'iems/mime'
import * as z from 'zod'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { Email, EnvelopeAddress, Mailbox, MailStoreApi, UidRange, Uids } from '../../mailbox/store/api.ts'
import { type Call, type Html, type HttpApi, HttpProblem, html, raw } from '../http/api.ts'

const ROWS = 50
const MAX_TEXT = 400_000
const HOME = '/mail/plain'

const EN = {
  title: 'Mail without script',
  signIn: 'Sign in',
  signOut: 'Sign out',
  address: 'Address or name',
  password: 'Password',
  code: 'Code of the second factor, if you have one',
  wrong: 'Address and password do not fit.',
  needsCode: 'Enter the code of the second factor too.',
  inbox: 'Inbox',
  empty: 'Nothing here',
  older: 'Older messages',
  back: 'Back to the Inbox',
  unread: 'unread',
  noSubject: '(no subject)',
  from: 'From',
  to: 'To',
  date: 'Date',
  attachments: 'Attachments',
  partial: 'The message is very long: its end is not shown.',
  hint: 'These pages show the Inbox. Writing and everything else needs script, or a mail program.',
}
const DE: typeof EN = {
  title: 'E-Mail ohne Skript',
  signIn: 'Anmelden',
  signOut: 'Abmelden',
  address: 'Adresse oder Name',
  password: 'Passwort',
  code: 'Code des zweiten Faktors, falls Sie einen haben',
  wrong: 'Adresse und Passwort passen nicht zusammen.',
  needsCode: 'Geben Sie auch den Code des zweiten Faktors ein.',
  inbox: 'Posteingang',
  empty: 'Hier ist nichts',
  older: 'Ältere Nachrichten',
  back: 'Zurück zum Posteingang',
  unread: 'ungelesen',
  noSubject: '(kein Betreff)',
  from: 'Von',
  to: 'An',
  date: 'Datum',
  attachments: 'Anhänge',
  partial: 'Die Nachricht ist sehr lang: Ihr Ende wird nicht gezeigt.',
  hint: 'Diese Seiten zeigen den Posteingang. Schreiben und alles Übrige braucht Skript oder ein Mailprogramm.',
}

interface Language {
  readonly code: 'en' | 'de'
  readonly texts: typeof EN
}

/** The account's, else the browser's. */
async function languageOf(accounts: AccountsApi, { header, login }: Pick<Call, 'header' | 'login'>): Promise<Language> {
  const id = login?.identity.account
  const chosen = id === undefined ? undefined : (await accounts.byId(id))?.language
  const isGerman = /^\s*de\b/i.test(chosen ?? header('accept-language') ?? '')
  return isGerman ? { code: 'de', texts: DE } : { code: 'en', texts: EN }
}

// The colours of tokens.css.
const STYLE = `:root{color-scheme:light dark;--s:light-dark(#fff,#1c1b19);--t:light-dark(#1d1b18,#f2efeb);--q:light-dark(#66615a,#a39d94);--l:light-dark(#e3dfda,#33302c);--a:light-dark(#0b5f6c,#6bc1d0);--o:light-dark(#fff,#08282e);--b:light-dark(#a3271b,#f29b91)}
*{box-sizing:border-box}body{margin:0 auto;max-width:760px;padding:16px;background:var(--s);color:var(--t);font:16px/24px system-ui,sans-serif}
header{display:flex;align-items:center;gap:16px;border-bottom:1px solid var(--l);padding-bottom:12px}h1{font-size:20px;line-height:28px;margin:0;flex:1;overflow-wrap:anywhere}
a{color:var(--a)}ul,dl{list-style:none;margin:0;padding:0}li a{display:grid;grid-template-columns:1fr auto;gap:0 12px;padding:10px 0;min-height:44px;border-bottom:1px solid var(--l);color:inherit;text-decoration:none}li a:hover b,li a:hover .s{text-decoration:underline}
.s{grid-column:1/-1;overflow-wrap:anywhere}.q{color:var(--q);font-size:14px}.u .f,.u .s{font-weight:600}
label{display:block;margin-top:12px}input{display:block;width:100%;max-width:360px;min-height:44px;font:inherit;padding:8px 10px;border:1px solid var(--q);border-radius:5px;background:transparent;color:inherit}
button{min-height:44px;font:inherit;padding:8px 16px;border:0;border-radius:5px;background:var(--a);color:var(--o);margin-top:16px}header button{margin:0;background:transparent;color:var(--a);text-decoration:underline;padding:0 8px}
.bad{color:var(--b)}pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;margin:16px 0}dt{float:left;clear:left;min-width:64px;color:var(--q)}dd{margin:0 0 0 72px;overflow-wrap:anywhere}dl{padding:12px 0;border-bottom:1px solid var(--l)}`
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

const page = ({ code, texts }: Language, body: Html): Html =>
  html`<!doctype html><html lang="${code}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${texts.title}</title><style>${raw(STYLE)}</style></head><body>${body}</body></html>`

const signOut = ({ texts }: Language): Html =>
  html`<form method="post" action="/logout"><input type="hidden" name="to" value="${HOME}"><button>${texts.signOut}</button></form>`

function loginForm(language: Language, problem: string | undefined): Html {
  const { texts } = language
  const said =
    problem === undefined
      ? ''
      : html`<p class="bad" role="alert">${problem === 'code' ? texts.needsCode : texts.wrong}</p>`
  return page(
    language,
    html`<header><h1>${texts.title}</h1></header><main>${said}<form method="post" action="/login"><input type="hidden" name="to" value="${HOME}"><label>${texts.address}<input name="username" autocomplete="username" required></label><label>${texts.password}<input name="password" type="password" autocomplete="current-password" required></label><label>${texts.code}<input name="code" inputmode="numeric" autocomplete="one-time-code"></label><button>${texts.signIn}</button></form><p class="q">${texts.hint}</p></main>`,
  )
}

const time = ({ code }: Language, at: number): string =>
  new Intl.DateTimeFormat(code === 'de' ? 'de-DE' : 'en-GB', {
    dateStyle: 'medium',
    timeStyle: 'short',
    timeZone: 'UTC',
  }).format(at)

const named = (people: readonly EnvelopeAddress[]): string =>
  people
    .map(({ name, mailbox, host }) => (name ? decodeWords(name) : mailbox === undefined ? '' : `${mailbox}@${host}`))
    .filter(Boolean)
    .join(', ')

const titleOf = ({ subject }: { readonly subject?: string }, { texts }: Language): string =>
  decodeWords(subject ?? '').trim() || texts.noSubject

function* plainParts(part: MimePart): Generator<MimePart> {
  if (part.type === 'multipart') for (const inner of part.parts ?? []) yield* plainParts(inner)
  else if (part.type === 'text' && part.subtype === 'plain' && part.disposition?.type !== 'attachment') yield part
}

/** The plain text of a message, as it was written; for HTML alone its words. */
async function textOf(content: Email): Promise<{ readonly body: string; readonly isPartial: boolean }> {
  const texts: string[] = []
  let left = MAX_TEXT
  for (const part of plainParts(await content.structure())) {
    if (left <= 0) break
    const source = content.decoded(part) ?? content.open({ start: part.body, end: part.end })
    const octets = await gather(source, left)
    texts.push(decodePart(octets, part))
    left -= octets.length
  }
  return texts.length > 0 ? { body: texts.join('\n'), isPartial: left <= 0 } : content.text(MAX_TEXT)
}

/** The last UIDs before one, the newest first. */
function lastUids(uids: Uids, before: number): number[] {
  const found: number[] = []
  for (const [first, last] of uids.toReversed())
    for (let uid = Math.min(last, before - 1); uid >= first && found.length <= ROWS; uid--) found.push(uid)
  return found
}

async function inbox(
  mail: MailStoreApi,
  account: string,
  given: { language: Language; before: number },
): Promise<Html> {
  const { language, before } = given
  const { texts } = language
  await mail.mailboxes(account)
  const box = (await mail.find(account, 'INBOX')) as Mailbox
  const opened = await mail.open(box)
  if ('refused' in opened) throw new HttpProblem(404, opened.why)
  const uids = lastUids(opened.uids, before)
  const shown = uids.slice(0, ROWS)
  const ranges = shown.toReversed().map((uid): UidRange => [uid, uid])
  const rows: (readonly [received: number, row: Html])[] = []
  for await (const { email, flags, received } of mail.entries(box, ranges)) {
    const { envelope } = (await (await mail.email(email))?.digest()) ?? {}
    const isUnread = !flags.includes('\\Seen')
    rows.push([
      received,
      html`<li class="${isUnread ? 'u' : ''}"><a href="${HOME}/${encodeURIComponent(email)}"><span class="f">${named(envelope?.from ?? [])}${isUnread ? html` <span class="q">${texts.unread}</span>` : ''}</span><span class="q">${time(language, received)}</span><span class="s">${titleOf(envelope ?? {}, language)}</span></a></li>`,
    ])
  }
  const older = uids.length > ROWS ? html`<p><a href="${HOME}?before=${shown.at(-1)}">${texts.older}</a></p>` : ''
  const list =
    rows.length === 0
      ? html`<p>${texts.empty}</p>`
      : html`<ul>${rows.sort(([a], [b]) => b - a).map(([, row]) => row)}</ul>`
  return page(
    language,
    html`<header><h1>${texts.inbox}</h1>${signOut(language)}</header><main>${list}${older}<p class="q">${texts.hint}</p></main>`,
  )
}

async function message(mail: MailStoreApi, account: string, given: { language: Language; id: string }): Promise<Html> {
  const { language, id } = given
  const { texts } = language
  const [own] = await Array.fromAsync(mail.emails(account, [id]))
  const content = own && (await mail.email(id))
  if (!content) throw new HttpProblem(404, 'There is no such message')
  const [{ envelope }, { attachments }] = await Promise.all([content.digest(), content.text(MAX_TEXT)])
  const { body, isPartial } = await textOf(content)
  const files = attachments.length === 0 ? '' : html`<dt>${texts.attachments}</dt><dd>${attachments.join(', ')}</dd>`
  return page(
    language,
    html`<header><h1>${titleOf(envelope, language)}</h1>${signOut(language)}</header><main><p><a href="${HOME}">${texts.back}</a></p><dl><dt>${texts.from}</dt><dd>${named(envelope.from)}</dd><dt>${texts.to}</dt><dd>${named([...envelope.to, ...envelope.cc])}</dd><dt>${texts.date}</dt><dd>${time(language, own.received)} UTC</dd>${files}</dl><pre>${body}</pre>${isPartial ? html`<p class="q">${texts.partial}</p>` : ''}</main>`,
  )
}

export function addPlainPages(http: HttpApi, mail: MailStoreApi, accounts: AccountsApi): void {
  const query = z.object({
    before: z.coerce.number().int().min(1).default(Number.MAX_SAFE_INTEGER),
    problem: z.string().max(10).optional(),
  })
  const shared = { who: 'anyone', policy: POLICY } as const
  http.page({
    ...shared,
    path: HOME,
    summary: 'The Inbox without script',
    query,
    async run(call) {
      const language = await languageOf(accounts, call)
      const account = call.login?.identity.account
      if (account === undefined) return loginForm(language, call.query.problem)
      return inbox(mail, account, { language, before: call.query.before })
    },
  })
  http.page({
    ...shared,
    path: `${HOME}/:email`,
    summary: 'A message without script',
    params: z.object({ email: z.string().max(200) }),
    async run(call) {
      const language = await languageOf(accounts, call)
      const account = call.login?.identity.account
      if (account === undefined) return loginForm(language, undefined)
      return message(mail, account, { language, id: call.params.email })
    },
  })
}
