/**
 * `iems antispam …`: training and inspection by administrators.
 */
import type { Command, CommandOutput, Dns } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { Kind } from './classifier/corpus.ts'
import { messagesOf } from './classifier/mbox.ts'
import { readLetter } from './content/message-text.ts'
import { createExplain, type ExplainDeps } from './explain.ts'
import type { Greylist } from './greylist.ts'
import { lessonOf } from './mailboxes.ts'
import type { Scanner } from './scanners/scanner.ts'

export interface CommandDeps extends ExplainDeps {
  readonly accounts: AccountsApi | undefined
  readonly scanners: readonly Scanner[]
  readonly greylist: Greylist
  readonly dns: Dns
  /** Number of keys with counted limits. */
  readonly counted: () => number
}

/** Messages between two progress reports. */
const TOLD = 100

export function createCommands(parts: CommandDeps): Readonly<Record<string, Command>> {
  const explain = createExplain(parts)
  return {
    'antispam learn': {
      summary: 'teach the classifier the messages of a file: an mbox or a single one',
      options: {
        '--junk': 'they are junk',
        '--ham': 'they are not',
        '--account <account>': 'also what this account knows by itself',
      },
      reads: true,
      async *run({ options, input }) {
        if ((options.junk === true) === (options.ham === true)) throw new Error('Say either --junk or --ham')
        const account = typeof options.account === 'string' ? await accountOf(parts, options.account) : undefined
        yield* learn(parts, options.junk === true ? 'junk' : 'ham', { account, input })
      },
    },
    'antispam explain': {
      summary: 'what the content of a message counts, with a sentence for each reason',
      options: { '--account <account>': 'by what this account has taught' },
      reads: true,
      async *run({ options, input }) {
        const account = typeof options.account === 'string' ? await accountOf(parts, options.account) : undefined
        yield* explain(input, account)
      },
    },
    'antispam stats': { summary: 'what has been learnt, and how much is remembered', run: () => stats(parts) },
    'antispam status': {
      summary: 'the filters outside of this server, and whether they answer',
      run: () => status(parts),
    },
  }
}

async function accountOf({ accounts }: CommandDeps, name: string): Promise<string> {
  const found =
    (await accounts?.byName(name)) ?? (await accounts?.byAddress(name))?.account ?? (await accounts?.byId(name))
  if (!found) throw new Error(`There is no account ${name}`)
  return found.id
}

async function* learn(
  { config, classifier }: CommandDeps,
  kind: Kind,
  { account, input }: { readonly account: string | undefined; readonly input: AsyncIterable<Uint8Array> },
): AsyncGenerator<CommandOutput> {
  const counts = { learnt: 0, changed: 0, known: 0 }
  let messages = 0
  for await (const octets of messagesOf(input, config.content.size)) {
    const lesson = lessonOf(await readLetter(octets, config.content), config.content)
    counts[await classifier.learn({ kind, account, ...lesson })]++
    if (++messages % TOLD === 0) yield { progress: `${messages} messages` }
  }
  const { learnt, changed, known } = counts
  yield {
    text: `${messages} messages: ${learnt} learnt as ${kind}, ${changed} that had been the contrary, ${known} known`,
    value: { messages, ...counts },
  }
}

async function* stats({ config, classifier, greylist, dns, counted }: CommandDeps): AsyncGenerator<CommandOutput> {
  for await (const { account, junk, ham } of classifier.totals()) {
    const isSilent = junk < config.classifier.minimum || ham < config.classifier.minimum
    yield {
      text: `${account === '' ? 'everybody' : account}  ${junk} junk, ${ham} ham${isSilent ? ` (says nothing below ${config.classifier.minimum} of each)` : ''}`,
      value: { account, junk, ham, speaks: !isSilent },
    }
  }
  const records = await greylist.count()
  yield { text: `${records} greylist records`, value: { greylist: records } }
  yield { text: `${dns.size} answers of the DNS remembered`, value: { dns: dns.size } }
  yield { text: `${counted()} clients, senders and accounts counted for limits`, value: { limits: counted() } }
}

async function* status({ scanners }: CommandDeps): AsyncGenerator<CommandOutput> {
  for (const { name, states } of scanners)
    for (const one of states()) {
      const failure = one.lastFailure === undefined ? '' : `, last failure: ${one.lastFailure}`
      yield {
        text: `${name}  ${one.server}  ${one.state}, ${one.answers} answers, ${one.failures} failures in a row${failure}`,
        value: { scanner: name, ...one },
      }
    }
  if (scanners.length === 0) yield { text: 'No filter outside of this server is configured' }
}
