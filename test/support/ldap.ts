/**
 * The LDAP plugin on a directory in memory, and the clients of OpenLDAP to ask it.
 */
import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { type Ran, runProgram } from 'iems/testing'
import { ldap } from '../../plugins/directory/ldap/server/index.ts'
import { createDirectoryKernel, type DirectoryKernel } from './directory.ts'

export const SUFFIX = 'dc=example,dc=org'
export const PASSWORD = 'a good password'

export interface LdapKernel extends DirectoryKernel {
  readonly uri: string
  readonly port: number
}

type Options = Partial<Parameters<typeof ldap>[0]>

/** ann is an admin, bob is not; both have `PASSWORD`. */
export async function createLdapKernel(
  t: Pick<TestContext, 'after'>,
  given: Options = {},
  rest: Parameters<typeof createDirectoryKernel>[1] = {},
): Promise<LdapKernel> {
  const here = await createDirectoryKernel(t, {
    ...rest,
    channels: {
      ...rest.channels,
      ldap: ldap({ listen: '127.0.0.1:0', suffix: SUFFIX, authWithoutTls: true, ...given } as never, {
        // Tests fail to log in on purpose, and again at once.
        trusts: ['127.0.0.0/8'],
      }),
    },
  })
  await here.make({ add: { kind: 'domain', name: 'example.org' } })
  await here.make({
    add: {
      kind: 'account',
      name: 'ann',
      displayName: 'Ann Ünal',
      addresses: ['ann@example.org'],
      roles: ['admin'],
      password: PASSWORD,
    },
  })
  await here.make({
    add: {
      kind: 'account',
      name: 'bob',
      displayName: 'Bob Baker',
      addresses: ['bob@example.org', 'b@example.org'],
      password: PASSWORD,
    },
  })
  const { port } = here.listener('ldap')
  return { ...here, port, uri: `ldap://127.0.0.1:${port}` }
}

export function whyNoLdapUtils(): string | undefined {
  return existsSync('/usr/bin/ldapsearch') ? undefined : 'ldap-utils (Debian package) is not installed'
}

/** Runs a client to its end; nothing of the machine's own LDAP settings counts. */
export async function run(
  command: string,
  args: readonly string[],
  { input = '', env = {} }: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ran> {
  const own = { PATH: process.env.PATH ?? '', LDAPCONF: '/dev/null', HOME: '/nonexistent', ...env }
  return runProgram(command, args, { input, env: own })
}

/** Entries of LDIF, values of an attribute in order; the DN is the attribute `dn`. */
export function entriesIn(ldif: string): Record<string, string[]>[] {
  const unfolded = ldif.replaceAll('\n ', '')
  return unfolded
    .split(/\n\n+/)
    .map((block) => {
      const entry: Record<string, string[]> = {}
      for (const line of block.split('\n')) {
        const [, name, mark, value = ''] = /^([^:#\s][^:]*):(:?) ?(.*)$/.exec(line) ?? []
        if (name === undefined) continue
        const text = mark === ':' ? Buffer.from(value, 'base64').toString() : value
        entry[name] = [...(entry[name] ?? []), text]
      }
      return entry
    })
    .filter((entry) => entry.dn !== undefined)
}

/** OpenLDAP's clients, as one of the people or as nobody. */
export function clientsOf({ uri }: LdapKernel, who?: string) {
  const to = ['-x', '-H', uri, ...(who === undefined ? [] : ['-D', `uid=${who},${SUFFIX}`, '-w', PASSWORD])]
  return {
    search: (...args: string[]) => run('ldapsearch', [...to, '-LLL', ...args]),
    compare: (dn: string, assertion: string) => run('ldapcompare', [...to, dn, assertion]),
    add: (ldif: string) => run('ldapadd', to, { input: ldif }),
    modify: (ldif: string) => run('ldapmodify', to, { input: ldif }),
    remove: (...args: string[]) => run('ldapdelete', [...to, ...args]),
    rename: (...args: string[]) => run('ldapmodrdn', [...to, ...args]),
    passwd: (...args: string[]) => run('ldappasswd', [...to, ...args]),
    whoami: () => run('ldapwhoami', to),
  }
}
