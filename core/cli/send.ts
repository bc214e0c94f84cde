/**
 * `iems send`: submits a message from standard input, as sendmail does.
 */
import type { Command } from 'commander'
import { IemsError } from '../api/errors.ts'
import type { Submitted } from '../api/plugin.ts'
import { format } from '../api/reply.ts'
import { encodeWords } from '../mime/compose/fields.ts'
import { textEntity } from '../mime/compose/parts.ts'
import { loadConfig } from '../runtime/config.ts'
import { escapeLine } from '../runtime/text.ts'
import { ask } from './ask.ts'
import { common } from './options.ts'
import { type Common, print } from './print.ts'

async function readInput(): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** The addresses of To, Cc and Bcc, for `send -t`. */
async function addressesIn(content: Buffer): Promise<string[]> {
  const { simpleParser } = await import('mailparser')
  const { to, cc, bcc } = await simpleParser(content, {
    skipHtmlToText: true,
    skipTextLinks: true,
    skipTextToHtml: true,
    skipImageLinks: true,
  })
  return [to, cc, bcc]
    .flat()
    .flatMap(
      (list) =>
        list?.value.flatMap(({ address, group }) =>
          address ? [address] : (group ?? []).map((one) => one.address ?? ''),
        ) ?? [],
    )
}

interface SendOptions extends Common {
  readonly from?: string
  readonly readRecipients?: boolean
  readonly subject?: string
  readonly text?: string
}

async function defaultSender({ config }: Common): Promise<string> {
  return `${process.env.USER || process.env.LOGNAME || 'root'}@${(await loadConfig(config)).hostname}`
}

/** A message from standard input, or a generated one when a subject or text is given. */
async function contentOf(to: readonly string[], from: string, { subject, text }: SendOptions): Promise<Buffer> {
  if (subject === undefined && text === undefined) return readInput()
  const body = text ?? (await readInput()).toString()
  const field = (name: string, value: string) => `${name}: ${encodeWords(escapeLine(value))}\r\n`
  const header = [
    field('From', from),
    field('To', to.join(', ')),
    ...(subject === undefined ? [] : [field('Subject', subject)]),
    'MIME-Version: 1.0\r\n',
    textEntity(body),
  ]
  return Buffer.from(header.join(''))
}

async function send(to: readonly string[], options: SendOptions) {
  const sender = options.from ?? (await defaultSender(options))
  const content = await contentOf(to, sender, options)
  const recipients = [...to, ...(options.readRecipients ? await addressesIn(content) : [])].filter(
    (address) => address !== '',
  )
  if (recipients.length === 0) throw new IemsError('IEMS_CONTROL_REFUSED', { why: 'No recipient was given' })
  const sent = await ask<Submitted>(options, {
    v: 1,
    method: 'send',
    params: {
      from: sender.replace(/^<|>$/g, ''),
      to: recipients,
      content: content.toString('base64'),
      submission: true,
    },
  })
  print(
    options,
    sent,
    [format(sent.reply), ...sent.refused.map(({ address, reply }) => `<${address}>: ${format(reply)}`)].join('\n'),
  )
  // EX_TEMPFAIL and EX_UNAVAILABLE of sysexits.h, as in sendmail.
  if (sent.reply.code >= 400) process.exitCode = sent.reply.code < 500 ? 75 : 69
}

export function addSend(iems: Command): void {
  common(iems.command('send').description('hand in a message from standard input, as sendmail does'))
    .argument('[recipients...]')
    .option('-f, --from <address>', 'the sender; default: the user and the host name')
    .option('-t, --read-recipients', 'also to everybody in To, Cc and Bcc')
    .option('--subject <text>', 'the subject; without it, standard input is the whole message')
    .option('--text <text>', 'what it says, with --subject; default: standard input')
    .action(send)
}
