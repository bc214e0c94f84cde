/*
 * The measurements of mailboxes as lines: this server and Debian's Postfix with Dovecot, in alternation, as ratios.
 */
import type { Scope } from 'iems/testing'
import {
  type MailServerName,
  measureInbox,
  measureOpen,
  measurePop3,
  measureSearch,
  measureSessions,
  measureThousand,
  type SeenMail,
} from './mail.ts'

const NAMES: readonly MailServerName[] = ['iems', 'postfix+dovecot']

export interface MailReportDeps {
  readonly rounds: number
  readonly quick: boolean
  say(text: string): void
  scoped<T>(work: (scope: Scope) => Promise<T>): Promise<T>
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle) - 1] ?? Number.NaN)) / 2
}

export async function reportMail({ rounds, quick, say, scoped }: MailReportDeps): Promise<Record<string, unknown>> {
  const report: Record<string, unknown> = {}
  const factor = quick ? 0.2 : 1

  async function rate(
    name: string,
    unit: string,
    aim: string,
    measure: (scope: Scope, server: MailServerName) => Promise<SeenMail>,
  ) {
    const seen: Record<MailServerName, SeenMail[]> = { iems: [], 'postfix+dovecot': [] }
    for (let round = 0; round < rounds; round++)
      for (const server of NAMES) seen[server].push(await scoped((scope) => measure(scope, server)))
    const of = (server: MailServerName, what: keyof SeenMail) => median(seen[server].map((one) => one[what]))
    const ratio = of('iems', 'perSecond') / of('postfix+dovecot', 'perSecond')
    say(
      `  ${name.padEnd(10)}${of('iems', 'perSecond').toFixed(0)} of ${of('postfix+dovecot', 'perSecond').toFixed(0)} ${unit}/s: ${ratio.toFixed(2)} (aim ${aim}); ${of('iems', 'cpuMs').toFixed(2)}, ${of('postfix+dovecot', 'cpuMs').toFixed(2)} ms of processor each`,
    )
    report[name] = seen
  }

  say('\nmail: beside Postfix with Dovecot (Maildir, mail_fsync = always, passwords in the clear); medians')
  await rate('inbox', 'messages', '6', (scope, server) => measureInbox(scope, server, 3000 * factor))
  await rate('sessions', 'IMAP commands', '1.5', (scope, server) => measureSessions(scope, server, 600 * factor))
  await rate('pop3', 'messages', '1', (scope, server) => measurePop3(scope, server, 10_000 * factor))
  const thousand = await scoped(measureThousand)
  say(
    `  thousand  one message to 1,000 recipients is ${thousand.toFixed(1)} times as fast as 1,000 single ones (aim 10)`,
  )
  const [small, large] = [2000, quick ? 20_000 : 200_000]
  const opened = [
    await scoped((scope) => measureOpen(scope, 'iems', small)),
    await scoped((scope) => measureOpen(scope, 'iems', large)),
  ]
  say(
    `  open      ${opened.map((one) => (one * 1000).toFixed(1)).join(' and ')} ms for mailboxes of ${small} and ${large} messages (aim: half as much again at most)`,
  )
  const messages = quick ? 5000 : 50_000
  const searched = {
    iems: await scoped((scope) => measureSearch(scope, 'iems', messages)),
    dovecot: await scoped((scope) => measureSearch(scope, 'postfix+dovecot', messages)),
  }
  const { iems, dovecot } = searched
  say(
    `  search    a word in ${messages} bodies: ${(iems.seconds * 1000).toFixed(1)} ms, Dovecot ${(dovecot.seconds * 1000).toFixed(0)} ms: ${(dovecot.seconds / iems.seconds).toFixed(0)} times (aim 10)`,
  )
  say(
    `            put in ${iems.filled.toFixed(0)} messages/s (Dovecot ${dovecot.filled.toFixed(0)}), all indexed at ${iems.indexed?.toFixed(0)} messages/s (aim 1,000)`,
  )
  Object.assign(report, { thousand, opened, searched })
  return report
}
