/**
 * The plugin's options; the reference documentation is generated from this schema.
 */
import { dnsOptions, duration, network, size } from 'iems'
import * as z from 'zod'
import { classifierOptions } from './classifier/options.ts'
import { listOptions } from './dns/list-options.ts'
import { limitOptions } from './limits/options.ts'
import { RULE_NAMES } from './rules/rules.ts'
import { FITTED } from './rules/weights.ts'
import { rspamdOptions, spamassassinOptions } from './scanners/options.ts'
import { score } from './weights.ts'

const thresholds = z
  .strictObject({
    tag: z.number().default(FITTED.thresholds.tag).describe('From here the header says that it is spam.'),
    junk: z
      .number()
      .default(FITTED.thresholds.junk)
      .describe("From here it is filed into the recipient's Junk mailbox."),
    quarantine: z.number().optional().describe('From here it is held until an admin releases it. Default: never.'),
    refuse: z.number().optional().describe('From here it is refused (550 5.7.1). Default: never.'),
    rcpt: z
      .number()
      .optional()
      .describe('From here recipients are refused before the content can speak for the message. Default: never.'),
  })
  .prefault({})
  .describe('Score for each action; the strongest action that is reached applies.')

const exempt = z
  .strictObject({
    clients: z.array(network()).default([]).describe('Addresses and networks that are not checked.'),
    recipients: z
      .array(z.string())
      .default(['postmaster', 'abuse'])
      .describe('Local parts or whole addresses for which nothing is refused, greylisted or quarantined.'),
    authenticated: z
      .enum(['limits', 'content'])
      .default('limits')
      .describe(
        'Clients that have said who they are: only the limits hold, or content is looked at too. Lists never hold for them, and no greylist does.',
      ),
    trusted: z
      .enum(['nothing', 'content'])
      .default('nothing')
      .describe('The same for clients in networks that the channel trusts.'),
  })
  .prefault({})
  .describe('Clients and senders with fewer checks.')

const client = z
  .strictObject({
    noName: score(1).describe('No name stands in the DNS for its address.'),
    falseName: score(1).describe('Names stand there, and none of them leads back to it (FCrDNS).'),
  })
  .prefault({})
  .describe('The client.')

const hello = z
  .strictObject({
    notAName: score(1.5).describe('Neither a full host name nor an address in brackets.'),
    ours: score(4).describe('It claims to be this server, or one of `names`.'),
    unknown: score(0.5).describe('A name that does not exist.'),
    otherAddress: score(1).describe("An address in brackets that is not the client's."),
    names: z
      .array(z.string())
      .default([])
      .describe('Further names and domains of this server; an unauthenticated client that claims one of them scores.'),
  })
  .prefault({})
  .describe("Scores of the client's HELO or EHLO name.")

const sender = z
  .strictObject({
    unknown: score(3).describe('Its domain has neither MX nor address records: no reply could reach it.'),
    noMail: score(5).describe('Its domain says that it sends and takes no mail (RFC 7505).'),
  })
  .prefault({})
  .describe('The domain of MAIL FROM.')

const reputation = z
  .strictObject({
    bad: score(1.5).describe('The most that it counts against a sender whose mail was spam.'),
    good: score(-1).describe('The most that it counts for a sender whose mail was wanted; both 0 turn it off.'),
    minimum: z.int().min(1).default(10).describe('Messages of a sender below which it counts nothing.'),
    halfLife: duration().prefault('30 days').describe('After this time a message counts half.'),
  })
  .prefault({})
  .describe(
    "Reputation of the sender's domain where SPF or DMARC vouches for it, else of the client's network (/24, /48).",
  )

const greylist = z
  .strictObject({
    for: z
      .enum(['nobody', 'suspects', 'strangers'])
      .default('nobody')
      .describe(
        "Clients that are greylisted: 'suspects' with at least `score`, or all 'strangers'. Senders that pass SPF or DMARC only as suspects.",
      ),
    score: z.number().default(2).describe('Lowest score of a suspect.'),
    wait: duration().prefault('5 min').describe('A second try counts from then on.'),
    retry: duration().prefault('24 h').describe('A second try later than this is a first one.'),
    keep: duration().prefault('36 days').describe('Time for which a client that retried is remembered.'),
    clientAfter: z
      .int()
      .min(1)
      .default(5)
      .describe('After so many messages that came again the client network waits no more.'),
    ipv4: z.int().min(8).max(32).default(24).describe('Bits of an IPv4 address that make one client.'),
    ipv6: z.int().min(16).max(128).default(64).describe('Bits of an IPv6 address.'),
    records: z
      .int()
      .min(100)
      .default(500_000)
      .describe('Maximum number of records; beyond it new clients are not greylisted.'),
  })
  .prefault({})
  .describe('Greylisting, after sender-auth and the scores have spoken.')

const rule = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]{1,60}$/)
    .describe('Under which it is told.'),
  header: z
    .string()
    .regex(/^[!-9;-~]+$/)
    .optional()
    .describe('The field that is looked at; without it the text is.'),
  pattern: z.instanceof(RegExp).describe('What is looked for. Values are cut at 2,000 characters, text at 64 Ki.'),
  score: z.number().min(-100).max(100).describe('What it counts; below zero speaks for the message.'),
})

const content = z
  .strictObject({
    size: size().prefault('256 KiB').describe('So many octets of a message are looked at by our own checks.'),
    text: size().prefault('64 KiB').describe('So many of one text part.'),
    uris: z.int().min(0).max(200).default(20).describe('Domains of one message that are looked up.'),
    standard: z.boolean().default(true).describe('Use the standard rules.'),
    weights: z
      .record(
        z.string().refine((name) => RULE_NAMES.includes(name), 'is not the name of a standard rule'),
        z.number().min(-100).max(100),
      )
      .default({})
      .describe('Scores of standard rules by name, in place of the fitted ones; 0 disables a rule.'),
    rules: z.array(rule).max(1000).default([]).describe('Your own rules.'),
    rulesTime: duration()
      .prefault('100 ms')
      .describe('All rules of one message take no longer; those that are left do not count.'),
  })
  .prefault({})
  .describe('The content.')

export const options = z.strictObject({
  thresholds,
  exempt,
  lists: listOptions,
  client,
  hello,
  sender,
  findings: z
    .record(z.string(), z.number().min(-100).max(100))
    .default({ 'spf=fail': 2, 'spf=softfail': 0.5, 'dmarc=fail': 1, 'dmarc-action=tag': 2 })
    .describe("Scores of other plugins' findings, written 'name=value'."),
  reputation,
  greylist,
  limits: limitOptions,
  content,
  classifier: classifierOptions,
  rspamd: rspamdOptions,
  spamassassin: spamassassinOptions,
  headers: z
    .enum(['always', 'tagged', 'never'])
    .default('always')
    .describe(
      'Messages that get X-Spam-Status and X-Spam-Score. Fields of these names in incoming mail are always removed.',
    ),
  dns: dnsOptions
    .optional()
    .describe('Name servers for this plugin alone, such as one that DNS lists answer. Default: the `dns` section.'),
  dnsTimeout: duration()
    .prefault('5 s')
    .describe('Longest wait for one answer of the DNS; without an answer there is no score.'),
})
export type Options = z.output<typeof options>
