/**
 * Creates the first account of a new server: its domain, and an administrator with a password that is shown once.
 *
 * Invariants: a directory with an account is never changed; the password is never logged.
 */
import { randomInt } from 'node:crypto'
import { type Command, type Log, type Secret, secretValue } from 'iems'
import * as z from 'zod'
import { type Change, type DirectoryApi, isRefused } from './api.ts'

export const firstOption = z
  .strictObject({
    domain: z.string().min(1).describe('The domain of its address.'),
    account: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'must be lower-case letters, digits, dots, hyphens and underscores')
      .describe('Its name; the address is name@domain.'),
    password: secretValue().optional().describe('Its password. Default: the server makes one and prints it once.'),
  })
  .optional()
  .describe('Domain and administrator account that a start creates when the directory has no account.')

export interface FirstDeps {
  readonly service: DirectoryApi
  readonly log: Log
}
type First = z.output<typeof firstOption>

/** Without letters and digits that look alike. */
const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789'
const LENGTH = 16
const BY = 'first start'

/** 80 bits, in groups that are easy to type. */
function makePassword(): string {
  const letters = Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('')
  return letters.replace(/(.{4})(?=.)/g, '$1-')
}

export function createFirst(first: First, { service, log }: FirstDeps) {
  /** The lines that show the password once; empty when an account exists. Throws when the directory refuses it. */
  async function make({ domain, account, password }: NonNullable<First>): Promise<readonly string[]> {
    for await (const _ of service.list('account')) return []
    const given: Secret | undefined = password
    const shown = given === undefined ? makePassword() : undefined
    const changes: Change[] = [
      {
        add: {
          kind: 'account',
          name: account,
          addresses: [`${account}@${domain}`],
          roles: ['admin'],
          password: shown ?? given?.reveal() ?? null,
        },
      },
    ]
    if (!(await service.byName('domain', domain))) changes.unshift({ add: { kind: 'domain', name: domain } })
    const refused = (await service.change(changes, BY)).filter(isRefused).at(-1)
    // Another kernel on the same store was faster.
    if (refused?.refused === 'ALREADYEXISTS') return []
    if (refused) throw new Error(`the first account cannot be made: ${refused.why}`)
    log.info(
      `the first account, ${account}, is an administrator; iems account password ${account} changes its password`,
    )
    return [
      `The first account is ${account}@${domain}, an administrator.`,
      shown === undefined ? 'Its password is the one that was given.' : `Its password, shown this once: ${shown}`,
    ]
  }

  const command: Command = {
    summary: 'makes the account that the option `first` names, if there is none yet, and prints its password once',
    async *run() {
      if (!first) throw new Error('the configuration does not name a first account: directory({ first: … })')
      const lines = await make(first)
      for (const text of lines.length > 0 ? lines : ['There is an account already']) yield { text }
    },
  }

  return {
    commands: { 'account first': command },
    started: async () => (first ? make(first) : []),
  }
}
