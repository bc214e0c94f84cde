/**
 * Spam protection: DNS lists, the client's name and HELO, greylisting, limits, a learning classifier, rules, Rspamd and
 * SpamAssassin; one score with its reasons, and the resulting action.
 *
 * This file assembles the parts; start reading at check.ts and score.ts.
 */
import { Cache, createDns, definePlugin, type Handler, type SetupContext, type Taps } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
import { MailStore } from '../../mailbox/store/api.ts'
import { Webmail } from '../../web/mail/api.ts'
import { banner } from './banner.ts'
import { refusalFor, SpamCheck } from './check.ts'
import { Classifier } from './classifier/classifier.ts'
import { createCommands } from './commands.ts'
import { Contacts } from './contacts.ts'
import { createRules } from './content/rules.ts'
import { createLists } from './dns/lists.ts'
import { withTimeout } from './dns/patience.ts'
import { createEnvelope, type Envelope } from './envelope/envelope.ts'
import { createExempt, type Exempt } from './exempt.ts'
import { sweep } from './expiry.ts'
import { Greylist } from './greylist.ts'
import { createModify } from './headers.ts'
import { type Bucket, createBuckets } from './limits/buckets.ts'
import { createLimits } from './limits/limits.ts'
import { createLearning, file } from './mailboxes.ts'
import { type Options, options } from './options.ts'
import { Reputation } from './reputation.ts'
import { createStandardRules } from './rules/rules.ts'
import { createRspamd } from './scanners/rspamd.ts'
import { createSpamassassin } from './scanners/spamassassin.ts'
import { sum } from './score.ts'

const SWEEP_MS = 3_600_000
/** Time for parsing and computation, in addition to DNS and external filters. */
const COMPUTING_MS = 20_000
/** Many messages may be moved at once. */
const LEARNING_MS = 600_000
export const antispam = definePlugin({
  name: 'antispam',
  config: options,
  wants: [Accounts, MailStore, Webmail],
  setup(config, ctx) {
    ctx.find(Webmail)?.add('message.banner', banner)
    const { now } = ctx.clock
    const accounts = ctx.find(Accounts)
    const mail = ctx.find(MailStore)
    const dns = withTimeout(config.dns ? createDns(config.dns, now) : ctx.dns, config.dnsTimeout)
    const lists = createLists(dns, config.lists)
    const envelope = createEnvelope({ config, dns, lists, hostname: ctx.hostname })
    const classifier = new Classifier({ ...ctx, options: config.classifier })
    const isClassifying = config.classifier.junk !== 0 || config.classifier.ham !== 0
    const scanners = createScanners(config, ctx)
    const greylist = new Greylist({ store: ctx.store, now, options: config.greylist })
    const exempt = createExempt(config.exempt)
    const { rules, keys } = config.limits
    const known = ctx.lasting('limits', () => new Cache<Bucket>({ max: keys }))
    known.max = keys
    const buckets = createBuckets({ now, buckets: known })
    const count = createLimits(rules, buckets)
    const rulesOfAdmin = createRules(config.content, ctx.log)
    const standardRules = createStandardRules(config.content, { hostname: ctx.hostname, now })
    const contacts = new Contacts(ctx.store, now)
    const check = new SpamCheck({
      config,
      envelope,
      lists,
      rules: rulesOfAdmin,
      standardRules,
      classifier: isClassifying ? classifier : undefined,
      accounts,
      scanners,
      greylist,
      contacts,
      reputation: new Reputation({ store: ctx.store, now, options: config.reputation }),
      exempt,
    })

    const hooks: Taps = {
      ...createSessionTaps({ config, envelope, exempt, count }),
      check: { handler: (message, context) => check.check(message, context), timeout: timeOf(config) },
      modify: { handler: createModify(config), stage: 'late' },
      queued: (message) => contacts.sent(message),
      ...(mail ? { 'mailstore:filing': { handler: file, stage: 'early' } } : {}),
      ...(mail && config.classifier.moves
        ? {
            'mailstore:moved': {
              handler: createLearning({ mail, classifier, content: config.content }),
              timeout: LEARNING_MS,
            },
          }
        : {}),
    }

    ctx.schedule({ name: 'sweep', every: SWEEP_MS, run: () => sweep(ctx.store) })
    return {
      hooks,
      backends: () => scanners.flatMap(({ backends }) => backends()),
      commands: createCommands({
        config,
        classifier,
        contentRules: async (letter) => [...(await standardRules(letter)), ...rulesOfAdmin(letter)],
        accounts,
        scanners,
        greylist,
        dns,
        counted: () => buckets.size,
      }),
      async close() {
        for (const scanner of scanners) scanner.close()
        await classifier.close()
      },
    }
  },
})

interface SessionTapsDeps {
  readonly config: Options
  readonly envelope: Envelope
  readonly exempt: Exempt
  readonly count: ReturnType<typeof createLimits>
}

/** Checks and limits before the content. */
function createSessionTaps({ config, envelope, exempt, count }: SessionTapsDeps): Taps {
  const { rcpt: most } = config.thresholds
  const isCounting = config.limits.rules.length > 0

  const rcpt: Handler<'rcpt'> = async ({ session, from, to }) => {
    const limited = count('recipients', session, from)
    if (limited || most === undefined || exempt.of(session) !== 'everything' || exempt.isRecipient(to.original))
      return limited
    const reasons = await envelope.reasons(session, from)
    return sum(reasons) < most ? undefined : refusalFor(reasons)
  }

  return {
    connect(session): void {
      // Started early, so that answers are ready with the message.
      if (exempt.of(session) === 'everything') void envelope.ofClient(session.remote.address)
    },
    ...(isCounting ? { mail: ({ session, from }) => count('messages', session, from) } : {}),
    ...(isCounting || most !== undefined ? { rcpt } : {}),
  }
}

function createScanners({ rspamd, spamassassin }: Options, { clock, log, hostname }: SetupContext) {
  const parts = { now: clock.now, log, hostname }
  return [
    ...(rspamd.servers.length > 0 ? [createRspamd(rspamd, parts)] : []),
    ...(spamassassin.servers.length > 0 ? [createSpamassassin(spamassassin, parts)] : []),
  ]
}

/** Maximum time of all external queries for one message: three DNS rounds in sequence. */
function timeOf({ dnsTimeout, rspamd, spamassassin }: Options): number {
  const questions = 3 * dnsTimeout
  const scans = [rspamd, spamassassin].map(({ servers, timeout }) => servers.length * timeout)
  return COMPUTING_MS + questions + Math.max(...scans)
}
