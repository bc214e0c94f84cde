/**
 * The same posts through Debian's Mailman 3 core, over LMTP, and through this server's lists: recipients and header
 * fields are the same, but for the differences that are explained here.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serveZone } from '../support/dns-zone.ts'
import { bodyOf, createListsKernel, fieldsOf, LIST, runCommand } from '../support/lists.ts'
import { type MailmanCore, startMailman, whyNoMailman } from '../support/mailman-core.ts'

interface Seen {
  readonly to: string
  readonly from: string
  readonly content: string
}

const MEMBERS = [
  { address: 'ann@a.test' },
  { address: 'bob@b.test', own: false },
  { address: 'cat@c.test', acknowledge: true },
  { address: 'dan@d.test', delivery: 'mime' },
  { address: 'eve@e.test', delivery: 'none' },
  { address: 'fay@f.test' },
] as const

const POSTS: readonly {
  readonly name: string
  readonly from: string
  readonly head?: string
  readonly body?: string
  readonly subject?: string
  readonly to?: string
}[] = [
  { name: 'a member', from: 'Ann <ann@a.test>' },
  { name: 'who wants no copies of their own', from: 'bob@b.test' },
  { name: 'who wants an acknowledgement', from: 'cat@c.test' },
  { name: 'a member in Cc', from: 'ann@a.test', head: 'Cc: Fay <fay@f.test>\r\n' },
  { name: 'an answer', from: 'ann@a.test', subject: 'Re: [Dev] Hello', head: 'In-Reply-To: <1@far.test>\r\n' },
  {
    name: 'fields of others',
    from: 'ann@a.test',
    head: 'List-Id: <other.test>\r\nReturn-Receipt-To: ann@a.test\r\nDisposition-Notification-To: ann@a.test\r\nSender: x@a.test\r\nX-Kept: yes\r\n',
  },
  {
    name: 'a multipart',
    from: 'ann@a.test',
    head: 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n',
    body: '--b\r\nContent-Type: text/plain\r\n\r\nHi\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--',
  },
  { name: 'a stranger', from: 'x@far.test' },
  { name: 'a command', from: 'ann@a.test', subject: 'unsubscribe' },
  { name: 'too large', from: 'ann@a.test', body: 'x'.repeat(3000) },
  {
    name: 'too many recipients',
    from: 'ann@a.test',
    head: `Cc: ${Array.from({ length: 12 }, (_, at) => `p${at}@p.test`).join(', ')}\r\n`,
  },
  { name: 'not addressed to the list', from: 'ann@a.test', to: 'someone@else.test' },
  { name: 'a loop', from: 'ann@a.test', head: `List-Id: <dev.lists.test>\r\nList-Post: <mailto:${LIST}>\r\n` },
  { name: 'a strict author', from: 'Sue <sue@strict.test>' },
]

const FIELDS = [
  'From',
  'To',
  'Cc',
  'Reply-To',
  'Subject',
  'Message-ID',
  'List-Id',
  'List-Post',
  'List-Help',
  'List-Owner',
  'List-Subscribe',
  'List-Unsubscribe',
  'Precedence',
  'Sender',
  'Errors-To',
  'Return-Receipt-To',
  'Disposition-Notification-To',
  'X-Kept',
]

/** How this server differs from Mailman, field by field, and why. */
const EXPLAINED: Readonly<Record<string, string>> = {
  'Cc: a member in Cc':
    'Mailman removes members who get no copy from the list from Cc; here Cc stays as the author signed and readers expect it.',
  'recipients: a loop':
    'Mailman 3.3.8 compares List-Post with the bare address, so that its own posts are no loop; here List-Id and X-Loop refuse them.',
  'Errors-To': 'Mailman adds this field, which no standard has; the return path says it.',
  'List-Owner': 'RFC 2369 section 3.5; Mailman has it on posts too, in its own order.',
  Sender: 'Mailman has no Sender on posts; RFC 5322 section 3.6.2 asks for the agent that sends.',
  'Return-Receipt-To': 'Mailman removes receipts only from anonymous lists; here they never reach all members.',
  'Disposition-Notification-To': 'As Return-Receipt-To.',
}

function setOf(content: string): Record<string, string> {
  return Object.fromEntries(
    FIELDS.map((name) => [
      name,
      fieldsOf({ content: content.replace(/\r?\n/g, '\r\n') }, name)
        .join(' | ')
        .replace(/"/g, ''),
    ]),
  )
}

/** Of a command of SMTP. */
const addressIn = (command: string) => /<(.*)>/.exec(command)?.[1] ?? command

async function startBoth(t: Parameters<typeof startMailman>[0]) {
  const { dns } = await serveZone(t as never, { 'TXT _dmarc.strict.test': [['v=DMARC1; p=reject']] })
  const ours = await createListsKernel(t, { dns })
  await runCommand(ours, 'list add', {
    address: LIST,
    description: 'Developers',
    subjectPrefix: '[Dev]',
    owners: ['owner@o.test'],
    archive: 'none',
    welcome: '',
    footer: 'Bye',
    maxSize: '2 kB',
    maxRecipients: 10,
    notify: 'no',
    allowed: ['sue@strict.test'],
  })
  for (const { address, ...options } of MEMBERS)
    await runCommand(ours, 'list join', {
      list: LIST,
      address,
      ...Object.fromEntries(
        Object.entries(options).map(([name, value]) => [
          name,
          typeof value === 'boolean' ? (value ? 'yes' : 'no') : value,
        ]),
      ),
    })
  const attributes = {
    description: 'Developers',
    display_name: 'Developers',
    subject_prefix: '[Dev] ',
    max_message_size: 2,
    max_num_recipients: 11,
    send_welcome_message: false,
    admin_immed_notify: false,
    respond_to_post_requests: false,
    accept_these_nonmembers: ['sue@strict.test'],
    dmarc_mitigate_action: 'munge_from',
    archive_policy: 'never',
  }
  return {
    ours,
    theirs: await startMailman(t, { address: LIST, members: MEMBERS, attributes, dns: dns.servers[0] as string }),
  }
}

const isAcknowledgement = (sender: string, { to, content }: Pick<Seen, 'to' | 'content'>) =>
  to === sender && /^Subject:.*(?:acknowledg|was sent)/m.test(content)

/** Copies of a post, and the acknowledgement for its author. */
const isAbout = (id: string, sender: string, seen: Seen) =>
  (/^List-Post:/m.test(seen.content) && seen.content.includes(`<${id}>`)) || isAcknowledgement(sender, seen)

async function theirDeliveries(theirs: MailmanCore, sender: string, content: string): Promise<Seen[]> {
  const before = theirs.sink.messages.length
  await theirs.post(sender, LIST, content)
  // A marker behind the post: when all its four readers have it, the post has gone through all queues too.
  const marker = `marker-${before}@a.test`
  await theirs.post(
    'ann@a.test',
    LIST,
    `From: ann@a.test\r\nTo: ${LIST}\r\nSubject: m\r\nMessage-ID: <${marker}>\r\n\r\nx\r\n`,
  )
  const seen = () => theirs.sink.messages.slice(before)
  // An acknowledgement goes through a queue of its own.
  const isWanted = MEMBERS.some((one) => one.address === sender && 'acknowledge' in one)
  const isThere = () =>
    seen().filter(({ raw }) => raw.includes(marker)).length >= 4 &&
    (!isWanted ||
      seen().some(({ to, raw }) => to.some((one) => isAcknowledgement(sender, { to: addressIn(one), content: raw }))))
  const deadline = Date.now() + 20_000
  while (!isThere() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
  return seen().flatMap(({ from, to, raw }) =>
    to.map((one) => ({ to: addressIn(one), from: addressIn(from), content: raw })),
  )
}

test('the same posts through Mailman 3 and through here: the same recipients, the same fields but for the explained', {
  skip: whyNoMailman(),
  timeout: 110_000,
}, async (t) => {
  const { ours, theirs } = await startBoth(t)
  const unexplained: string[] = []
  let count = 0
  for (const { name, from, head = '', body = 'Good day.', subject = 'Hello', to = LIST } of POSTS) {
    const sender = /<(.*)>/.exec(from)?.[1] ?? from
    const content = `From: ${from}\r\nTo: ${to}\r\nSubject: ${subject}\r\nMessage-ID: <c${++count}@far.test>\r\nDate: Fri, 2 Jan 2026 10:00:00 +0000\r\n${head}\r\n${body}\r\n`
    const before = ours.delivered.length
    await ours.session().submit({ from: sender, to: [LIST], content })
    await ours.deliver()
    const own: Seen[] = ours.delivered
      .slice(before)
      .flatMap(({ to: all, from: path, content: sent }) => all.map((one) => ({ to: one, from: path, content: sent })))
    const other = await theirDeliveries(theirs, sender, content)
    const recipients = (seen: readonly Seen[]) =>
      seen
        .filter((one) => isAbout(`c${count}@far.test`, sender, one))
        .map((one) => one.to)
        .sort()
    if (String(recipients(own)) !== String(recipients(other)) && !EXPLAINED[`recipients: ${name}`])
      unexplained.push(`${name}: recipients ${recipients(own)} here, ${recipients(other)} there`)
    const mine = own.find(({ content: sent }) => fieldsOf({ content: sent }, 'List-Post').length > 0)
    const its = other.find(({ content: sent }) => /^List-Post:/m.test(sent) && sent.includes(`<c${count}@far.test>`))
    if (!mine || !its) continue
    const [here, there] = [setOf(mine.content), setOf(its.content)]
    for (const field of FIELDS)
      if (here[field] !== there[field] && !EXPLAINED[field] && !EXPLAINED[`${field}: ${name}`])
        unexplained.push(`${name}: ${field} is "${here[field]}" here, "${there[field]}" there`)
    assert.match(mine.from, /^dev-bounces\+/)
    assert.match(its.from, /^dev-bounces\+/)
    assert.match(bodyOf(mine), /Bye/)
  }
  assert.deepEqual(unexplained, [])
})
