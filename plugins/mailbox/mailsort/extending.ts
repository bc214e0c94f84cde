/**
 * Tests and actions of other plugins as the engine has its own.
 */
import type { SieveArguments, SieveExtension, SieveGiven } from './extension.ts'
import type { Extension } from './sieve/index.ts'
import type { Arguments, Signature, TagSpec } from './sieve/language.ts'
import type { Run } from './sieve/run.ts'
import { SieveError } from './sieve/syntax.ts'

const signatureOf = ({ tags = {}, values = [] }: SieveArguments): Signature => ({
  tags: Object.fromEntries(
    Object.entries(tags).map(([name, kind]): [string, TagSpec] => [name, kind === 'flag' ? {} : { value: kind }]),
  ),
  positional: values,
})

function givenOf({ tags = {}, values = [] }: SieveArguments, args: Arguments, run: Run): SieveGiven {
  const read = (which: string | number, kind: string) => {
    if (kind === 'flag') return true
    if (kind === 'number') return args.number(which) ?? 0
    return kind === 'string' ? (args.string(which, run) ?? '') : args.strings(which, run)
  }
  const present = Object.entries(tags).filter(([name]) => args.has(name))
  return {
    tags: Object.fromEntries(present.map(([name, kind]) => [name, read(name, kind)])),
    values: values.map((kind, at) => read(at, kind)),
  } as SieveGiven
}

export function asExtension({ capability, tests = {}, actions = {} }: SieveExtension): Extension {
  return {
    capabilities: [capability],
    tests: Object.fromEntries(
      Object.entries(tests).map(([name, one]) => [
        name,
        {
          ...signatureOf(one.arguments),
          capability,
          run: async (args: Arguments, run: Run) => {
            const { message, environment } = run
            const subject = {
              account: environment.owner ?? '',
              envelope: environment.envelope,
              size: message.size,
              header: (field: string) => message.decoded(field),
            }
            try {
              return await one.test(givenOf(one.arguments, args, run), subject)
            } catch (error) {
              throw new SieveError(args.at, `${name} failed: ${error instanceof Error ? error.message : 'unknown'}`)
            }
          },
        },
      ]),
    ),
    commands: Object.fromEntries(
      Object.entries(actions).map(([name, one]) => [
        name,
        {
          ...signatureOf(one.arguments),
          capability,
          run(args: Arguments, run: Run) {
            if (one.cancelsKeep) run.shared.keeps = false
            run.act({ kind: 'extended', name, given: givenOf(one.arguments, args, run) as never })
          },
        },
      ]),
    ),
  }
}
