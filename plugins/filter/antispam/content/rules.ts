/**
 * The administrator's own rules: patterns over fields and text.
 *
 * Some patterns run for years on the right text, and JavaScript cannot interrupt a pattern, only a script with a time
 * limit. So all rules of a message run in one script. Invariants: its time is bounded for any pattern and message;
 * rules that were not reached count nothing.
 */
import { createContext, Script } from 'node:vm'
import type { Log } from 'iems'
import type { Options } from '../options.ts'
import type { Reason } from '../score.ts'
import type { MessageText } from './message-text.ts'

/** Maximum characters of the text. */
const TEXT = 65_536

/** Input and progress of a run. Created once, because the script's own globals are slow to access. */
interface Running {
  readonly patterns: readonly RegExp[]
  inputs: readonly (readonly string[])[]
  hits: number[]
  at: number
}

const script = new Script(`(() => {
  const { patterns, inputs, hits } = running
  for (let at = 0; at < patterns.length; at++) {
    running.at = at
    for (const text of inputs[at]) if (patterns[at].test(text)) { hits.push(at); break }
  }
})()`)

export function createRules({ rules, rulesTime }: Pick<Options['content'], 'rules' | 'rulesTime'>, log: Log) {
  const running: Running = {
    // A pattern with g or y would resume at its last position in the next message.
    patterns: rules.map(({ pattern }) => new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))),
    inputs: [],
    hits: [],
    at: 0,
  }
  const context = createContext({ running })

  return function match(letter: MessageText): readonly Reason[] {
    if (rules.length === 0) return []
    const text = [letter.text.slice(0, TEXT)]
    running.inputs = rules.map(({ header }) => (header === undefined ? text : letter.field(header.toLowerCase())))
    running.hits = []
    try {
      script.runInContext(context, { timeout: rulesTime })
    } catch (cause) {
      const rule = rules[running.at]?.name
      log.warn('a rule took too long; it and those behind it did not count', { rule, cause })
    }
    return running.hits.map((index) => {
      const { name, score } = rules[index] as (typeof rules)[number]
      return { name: `rule:${name}`, score }
    })
  }
}
