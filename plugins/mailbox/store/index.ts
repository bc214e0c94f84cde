/**
 * The channel that delivers into mailboxes, and the MailStore service behind IMAP, POP3 and web mail.
 *
 * This file assembles the parts; start reading at api.ts, then account-transactions.ts.
 */
import { definePlugin, duration, size } from 'iems'
import * as z from 'zod'
import { Accounts } from '../../directory/static/api.ts'
import { MailQuery, MailStore } from './api.ts'
import { createCommands } from './commands.ts'
import { createRoom } from './room.ts'
import { createMailStore } from './service.ts'
import { makeHistories } from './upgrade.ts'

export * from './api.ts'

const options = z.strictObject({
  undelete: duration().prefault('7 days').describe("Time for which expunged messages can be restored; '0 s' for none."),
  remember: duration()
    .prefault('30 days')
    .describe(
      'Time for which clients can ask for expunged messages (QRESYNC); after that they synchronise from the start.',
    ),
  search: z
    .strictObject({
      text: size().prefault('1 MB').describe('Maximum text of one message that is indexed.'),
      waitTimeout: duration()
        .prefault('10 s')
        .describe('Time for which a search waits for the index before it reads the messages themselves.'),
    })
    .prefault({})
    .describe('The full-text index.'),
  cache: size()
    .prefault('64 MB')
    .describe(
      'Maximum memory for sort keys and threads of messages, which SORT, THREAD and searches by date use; and as much for the emails of the accounts that JMAP clients query, about 700 octets each.',
    ),
  maxSize: size().prefault('50 MB').describe('Largest message that a client may append.'),
  limits: z
    .strictObject({
      mailboxes: z
        .int()
        .positive()
        .default(10_000)
        .describe('Mailboxes of one account; a client that creates more is refused (NO [LIMIT]).'),
      keywords: z
        .int()
        .positive()
        .default(1000)
        .describe(
          'Maximum number of keywords in use in one mailbox; a client that sets more is refused (NO [LIMIT]). Copied and delivered messages lose the excess ones.',
        ),
    })
    .prefault({})
    .describe('Limits for one account, beside its quota.'),
  uploads: z
    .strictObject({
      maxOctets: size().prefault('200 MB').describe('Maximum size of all uploads of one account together.'),
      keep: duration().prefault('1 day').describe('Time for which an upload can be used.'),
    })
    .prefault({})
    .describe('Content that JMAP and web mail clients upload before it is filed or sent.'),
  retention: z
    .array(
      z.strictObject({
        mailbox: z.string().describe('A mailbox by name, in every account.'),
        after: duration().describe('Its messages are expunged so long after they came into it.'),
      }),
    )
    .default([])
    .describe('Messages that are expunged automatically, such as { mailbox: "Trash", after: "30 days" }.'),
})

const SWEEP_EVERY_MS = 3_600_000

export const mailstore = definePlugin({
  name: 'mailstore',
  config: options,
  // Mail ends here: nothing can be relayed by it.
  accepts: 'anyone',
  offers: [MailStore, MailQuery],
  needs: [Accounts],
  records: {
    account: { version: 1 },
    mailbox: { version: 1 },
    content: { version: 1 },
    history: { version: 2, upgrade: makeHistories },
  },
  hooks: {
    'mailstore:filing': 'waterfall',
    'mailstore:moved': 'parallel',
    'mailstore:limits': 'waterfall',
    'mailstore:usage': 'parallel',
  },
  setup(config, ctx) {
    const accounts = ctx.use(Accounts)
    const { service, query, deliver, sweep, checkAccount, finding, undelete } = createMailStore(ctx, accounts, config)
    ctx.offer(MailStore, service)
    ctx.offer(MailQuery, query)
    ctx.background({ name: 'index', start: finding.start, stop: finding.stop })
    return {
      hooks: { rcpt: createRoom({ channel: ctx.name, accounts, ...service }) },
      commands: createCommands({ service, accounts, checkAccount, sweep: sweep.sweep, finding, undelete }),
      deliver,
      listen() {
        ctx.schedule({ name: 'sweep', every: SWEEP_EVERY_MS, run: sweep.sweep })
      },
      close: () => finding.close(),
    }
  },
})
