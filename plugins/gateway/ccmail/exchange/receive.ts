/**
 * Mail from cc:Mail: files in `in` are read message by message and handed in.
 *
 * Invariants: a message is handed in under a key of its file's content and place, so that a file that is read again
 * after a kill is not sent again; a temporary refusal is retried at the next check; a damaged message goes to `bad`
 * alone, and those around it go on.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { classOf, escapeLine, format, type Log, type Submission, type Submitted } from 'iems'
import { fromInternet, toInternet } from '../addresses.ts'
import { bufferFile, type OctetFile, openFile } from '../format/file.ts'
import type { ReadMessage } from '../format/model.ts'
import { readMessages } from '../format/reader.ts'
import { toMail } from '../message/to-mail.ts'
import type { Translator } from '../translator.ts'
import type { ExchangeFolders } from './folders.ts'
import { notDelivered } from './refusal.ts'

export interface ReceiveDeps {
  readonly folders: ExchangeFolders
  readonly translator: Translator
  readonly log: Log
  readonly now: () => number
  submit(message: Submission): Promise<Submitted>
}

/** Octets of a file that is looked at. */
const MAX_FILE = 2 * 1024 * 1024 * 1024

/** One look into `in`. Answers how many messages were accepted. */
export async function receiveFromCc(deps: ReceiveDeps): Promise<number> {
  let count = 0
  for (const name of await deps.folders.ready('in')) count += await receiveFile(deps, name)
  return count
}

async function receiveFile(deps: ReceiveDeps, name: string): Promise<number> {
  const { folders, log } = deps
  const file = await openFile(folders.path('in', name))
  let count = 0
  let isDone = true
  try {
    if (file.size > MAX_FILE) {
      log.error('a file from cc:Mail is too large', { file: name })
      return 0
    }
    const key = await digestOf(file)
    let index = 0
    let isEmpty = true
    for await (const read of readMessages(file, deps.translator)) {
      isEmpty = false
      const outcome = await receiveMessage(deps, read, { file, name, once: `${key}-${index++}` })
      if (outcome === 'later') isDone = false
      else if (outcome === 'accepted') count++
    }
    if (isEmpty) await folders.write('bad', name, await readFile(folders.path('in', name)))
  } finally {
    await file.close()
  }
  if (isDone) await folders.remove('in', name)
  return count
}

async function digestOf(file: OctetFile): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of file.range(0, file.size)) hash.update(piece)
  return hash.digest('hex').slice(0, 40)
}

interface Where {
  readonly file: OctetFile
  readonly name: string
  readonly once: string
}

async function receiveMessage(
  { folders, translator, log, submit, now }: ReceiveDeps,
  read: ReadMessage,
  { file, name, once }: Where,
): Promise<'accepted' | 'later' | 'set aside'> {
  const setAside = async (why: string) => {
    log.warn('a message from cc:Mail cannot be read', { file: name, why: escapeLine(why) })
    await folders.write('bad', `${once.slice(0, 8).toUpperCase()}.CCM`, await file.read(read.start, read.end))
    return 'set aside' as const
  }
  for (const finding of read.findings)
    log.info('a message from cc:Mail is not as expected', { file: name, finding: escapeLine(finding) })
  if (read.damage !== undefined) return setAside(read.damage)
  const mail = await toMail(read.message, { translator })
  const { options } = translator
  // cc:Mail has delivered to its own users itself.
  const outside = mail.recipients.filter((address) => fromInternet(address, options) === undefined)
  if (mail.from === '') return setAside('it has no sender')
  if (outside.length === 0) return setAside('it has no recipient outside of cc:Mail')
  const sent = await submit({ from: mail.from, to: outside, content: mail.open(), once, submission: true })
  if (classOf(sent.reply) === 'temporary' || sent.refused.some(({ reply }) => classOf(reply) === 'temporary'))
    return 'later'
  const refused =
    sent.id === undefined && sent.refused.length === 0
      ? outside.map((address) => ({ address, reply: sent.reply }))
      : sent.refused
  if (refused.length > 0) {
    const report = notDelivered(
      read.message,
      refused.map(({ address, reply }) => ({ address, why: format(reply) })),
      { translator, now: now() },
    )
    await folders.write('out', `${once.slice(0, 7).toUpperCase()}R.CCM`, report)
  }
  return 'accepted'
}

/** Reports of IMPORT and EXPORT: messages in `und` could not be delivered in cc:Mail. */
export async function receiveUndelivered({ folders, translator, log, submit }: ReceiveDeps): Promise<number> {
  let count = 0
  for (const name of await folders.ready('und')) {
    const octets = await readFile(folders.path('und', name))
    const key = createHash('sha256').update(octets).digest('hex').slice(0, 40)
    let index = 0
    let isDone = true
    for await (const { message } of readMessages(bufferFile(octets), translator)) {
      const sender = (await translator.addressOf(message.from)) ?? toInternet(message.from, translator.options)
      const names = [...message.to, ...message.cc]
      if (sender === undefined) {
        log.warn('a message that cc:Mail could not deliver names no sender', { file: name })
        continue
      }
      const content = bounceFor({
        sender,
        names,
        subject: message.subject,
        domain: translator.options.domain,
        key: `${key}-${index}`,
      })
      const sent = await submit({ from: '', to: [sender], content, once: `und-${key}-${index++}` })
      if (classOf(sent.reply) === 'temporary') isDone = false
      else count++
    }
    if (isDone) await folders.remove('und', name)
  }
  return count
}

interface Undelivered {
  readonly sender: string
  readonly names: readonly string[]
  readonly subject: string
  readonly domain: string
  readonly key: string
}

/** A report (RFC 3464) about recipients in cc:Mail. */
function bounceFor({ sender, names, subject, domain, key }: Undelivered): string {
  const line = (text: string) => text.replace(/[^\x20-\x7e]+/g, '?').slice(0, 500)
  const boundary = `=_ccmail_${key}`
  const about = names.map((name) => [`Final-Recipient: x-ccmail; ${line(name)}`, 'Action: failed', 'Status: 5.1.1', ''])
  return [
    `From: Mail Delivery Subsystem <mailer-daemon@${domain}>`,
    `To: <${line(sender)}>`,
    'Subject: Undelivered mail to cc:Mail',
    `Message-ID: <${key}.ccmail@${domain}>`,
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    `cc:Mail could not deliver your message "${line(subject)}" to:`,
    ...names.map((name) => `  ${line(name)}`),
    '',
    `--${boundary}`,
    'Content-Type: message/delivery-status',
    '',
    `Reporting-MTA: x-ccmail; ${domain}`,
    '',
    ...about.flat(),
    `--${boundary}--`,
    '',
  ].join('\r\n')
}
