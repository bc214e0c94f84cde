/**
 * `iems antispam explain`: the score of a message's content, with its reasons.
 *
 * A file has no client, so lists, the client's name, HELO, SPF and greylisting are not included.
 */
import type { CommandOutput } from 'iems'
import { gather } from 'iems/mime'
import type { Classifier } from './classifier/classifier.ts'
import { VIEWS } from './classifier/tokens.ts'
import { weigh } from './classifier/weigh.ts'
import { type MessageText, readLetter } from './content/message-text.ts'
import { lessonOf } from './mailboxes.ts'
import type { Options } from './options.ts'
import { actionFor, type Reason, sum } from './score.ts'

const line = (score: number, name: string, says: string) =>
  `${score.toFixed(2).padStart(6)}  ${name}  ${says}`.trimEnd()

export interface ExplainDeps {
  readonly config: Options
  readonly classifier: Classifier
  /** The standard rules and those of the administrator. */
  readonly contentRules: (letter: MessageText) => Promise<readonly Reason[]>
}

export function createExplain({ config, classifier, contentRules }: ExplainDeps) {
  /** The classifier's score; empty while it has learned too little. */
  async function classify(views: ReturnType<typeof lessonOf>['views'], account?: string): Promise<Reason[]> {
    const opinion = (account && (await classifier.ask(views, account))) || (await classifier.ask(views))
    if (!opinion) return []
    const parts = VIEWS.map((view) => `${view} ${opinion[view].toFixed(1)}`).join(', ')
    return [{ name: 'classifier', score: weigh(opinion, config.classifier), says: `By what was learnt: ${parts}.` }]
  }

  return async function* explain(
    input: AsyncIterable<Uint8Array>,
    account: string | undefined,
  ): AsyncGenerator<CommandOutput> {
    const letter = await readLetter(await gather(input, config.content.size), config.content)
    const { views } = lessonOf(letter, config.content)
    const reasons = [...(await classify(views, account)), ...(await contentRules(letter))]
    for (const { name, score, says = '' } of reasons.toSorted((a, b) => Math.abs(b.score) - Math.abs(a.score)))
      yield { text: line(score, name, says), value: { name, score, says } }
    const score = sum(reasons)
    const action = actionFor(score, config.thresholds)
    yield { text: `${line(score, 'in all:', action)}, without what is known of the client`, value: { score, action } }
  }
}
