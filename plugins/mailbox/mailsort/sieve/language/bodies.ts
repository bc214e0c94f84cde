/**
 * Tests of content: body (RFC 5173); foreverypart, break and extracttext (RFC 5703).
 */
import type { MimePart } from 'iems/mime'
import type { Extension } from '../language.ts'
import { checkMatch, MATCH_TAGS, matchAny } from '../match.ts'
import { partsOf } from '../message.ts'
import type { Run } from '../run.ts'
import { SieveError } from '../syntax.ts'
import { checkVariable, MODIFIER_TAGS, modified } from './variables.ts'

const TRANSFORM = { group: 'body transform' }

/** RFC 5173 section 5.2: `text` means `text/*`, '' means any. */
function fits({ type, subtype }: MimePart, wanted: string): boolean {
  const asked = wanted.toLowerCase()
  return asked === '' || asked === type || asked === `${type}/${subtype}`
}

async function textsOf(run: Run, types: readonly string[], asWords: boolean): Promise<readonly string[]> {
  const texts: string[] = []
  for (const part of partsOf(await run.message.structure())) {
    if (!types.some((type) => fits(part, type))) continue
    // Of a message within the message it is the header (section 5.2); of a multipart nothing of its parts.
    if (part.type === 'message' && part.parts) texts.push(await headerText(run, part))
    else if (!part.parts) texts.push(await run.message.text(part, asWords))
  }
  return texts
}

async function headerText(run: Run, part: MimePart): Promise<string> {
  const [inner] = part.parts ?? []
  return inner ? (await run.message.partFields(inner)).map(({ name, value }) => `${name}: ${value}`).join('\r\n') : ''
}

const asRead = (text: string) => text.replace(/[ \t]+/g, ' ')

export const bodies: Extension = {
  capabilities: ['body', 'foreverypart', 'extracttext'],
  tests: {
    body: {
      capability: 'body',
      tags: { ...MATCH_TAGS, raw: TRANSFORM, text: TRANSFORM, content: { ...TRANSFORM, value: 'strings' } },
      positional: ['strings'],
      check: (args, at) => checkMatch(args, at, 0),
      async run(args, run) {
        const texts = args.has('raw')
          ? [await run.message.rawBody()]
          : args.has('content')
            ? await textsOf(run, args.strings('content', run), false)
            : await textsOf(run, ['text'], true)
        const found = await matchAny(args, run, texts, 0)
        if (run.isExplained) run.saw(texts.map(asRead))
        // RFC 5173 section 6: a body sets no match variables.
        run.matches = []
        return found
      },
    },
  },
  commands: {
    foreverypart: {
      isControl: true,
      capability: 'foreverypart',
      tags: { name: { value: 'string' } },
      hasBlock: true,
      async run(args, run, block) {
        const outer = run.part
        const root = outer ?? (await run.message.structure())
        const name = args.string('name', run)
        try {
          for (const part of outer ? partsOf(root).slice(1) : partsOf(root)) {
            run.part = part
            const flow = await block()
            if (typeof flow === 'object') return flow.breaks === undefined || flow.breaks === name ? undefined : flow
            if (flow !== undefined) return flow
          }
          return undefined
        } finally {
          run.part = outer
          if (!outer) run.message.settle()
        }
      },
    },
    break: {
      isControl: true,
      capability: 'foreverypart',
      tags: { name: { value: 'string' } },
      run(args, run) {
        if (!run.part) throw new SieveError(args.at, 'break outside of foreverypart')
        return { breaks: args.string('name', run) }
      },
    },
    extracttext: {
      isControl: true,
      capability: 'extracttext',
      tags: { ...MODIFIER_TAGS, first: { value: 'number' } },
      positional: ['string'],
      check: (args, at) => checkVariable(args.constants(0), at),
      async run(args, run) {
        if (!run.part) throw new SieveError(args.at, 'extracttext outside of foreverypart')
        const text = run.part.type === 'text' ? await run.message.text(run.part, true) : ''
        const first = args.number('first')
        const wanted =
          first === undefined
            ? text
            : Array.from(text.slice(0, 2 * first))
                .slice(0, first)
                .join('')
        run.setVariable(args.string(0, run) ?? '', modified(wanted, args.tags))
      },
    },
  },
}
