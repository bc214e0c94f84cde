/*
 * A private slapd for one test or measurement: its own configuration and database in a temporary folder, its own port on
 * loopback. It is OpenLDAP's server with its standard schemas, indexes on what address books ask for, and the overlays
 * that keep members right. `whyNoSlapd` says why a test that needs it has to be skipped.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Program, runProgram, type Scope, startProgram } from 'iems/testing'
import { freePort } from './running-server.ts'

export interface SlapdOptions {
  readonly suffix: string
  /** Entries to begin with, as LDIF. */
  readonly ldif: string
  /** Definitions of RFC 4512 beside the standard ones. */
  readonly attributeTypes?: readonly string[]
  readonly objectClasses?: readonly string[]
  /** Further lines of the configuration; `global` before the database, `database` in it. */
  readonly global?: string
  readonly database?: string
  /** Another port than a free one. */
  readonly port?: number
}

export interface Slapd {
  readonly uri: string
  readonly port: number
  /** Leader of its process group. */
  readonly pid: number
  /** May do anything, with the password `secret`. */
  readonly rootDn: string
  stop(): Promise<void>
  /** The same again, on the same port. */
  start(): Promise<void>
}

const SLAPD = '/usr/sbin/slapd'
const SCHEMAS = '/etc/ldap/schema'

export function whyNoSlapd(): string | undefined {
  return existsSync(SLAPD) && existsSync('/usr/bin/ldapsearch')
    ? undefined
    : 'slapd (Debian packages slapd and ldap-utils) is not installed'
}

export async function startSlapd(scope: Scope, options: SlapdOptions): Promise<Slapd> {
  const folder = await mkdtemp(join(tmpdir(), 'slapd-'))
  const port = options.port ?? (await freePort())
  const conf = join(folder, 'slapd.conf')
  const uri = `ldap://127.0.0.1:${port}`
  let program: Program | undefined
  const stop = async () => program?.stop()
  async function start(): Promise<void> {
    program = await startProgram(scope, SLAPD, ['-f', conf, '-h', uri, '-d', '0'], { ready: { ports: [port] } })
  }
  scope.after(async () => {
    await stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })

  await mkdir(join(folder, 'data'))
  await writeFile(conf, configuration(folder, options))
  const { code, err } = await runProgram('/usr/sbin/slapadd', ['-f', conf, '-q'], { input: options.ldif })
  if (code !== 0) throw new Error(`slapadd: ${err}`)
  await start()
  return {
    uri,
    port,
    rootDn: rootDnOf(options),
    get pid() {
      return program?.pid as number
    },
    stop,
    start,
  }
}

const rootDnOf = ({ suffix }: SlapdOptions) => `cn=root,${suffix}`

function configuration(folder: string, options: SlapdOptions): string {
  const { suffix, attributeTypes = [], objectClasses = [], global = '', database = '' } = options
  return `${['core', 'cosine', 'nis', 'inetorgperson', 'misc'].map((name) => `include ${SCHEMAS}/${name}.schema`).join('\n')}
${attributeTypes.map((text) => `attributetype ${text}`).join('\n')}
${objectClasses.map((text) => `objectclass ${text}`).join('\n')}
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload refint
moduleload sssvlv
pidfile ${folder}/slapd.pid
${global}
database mdb
suffix "${suffix}"
rootdn "${rootDnOf(options)}"
rootpw secret
directory ${folder}/data
maxsize 1073741824
index objectClass,uid,member,memberOf,entryUUID eq
index cn,sn,givenName,displayName,mail eq,sub
overlay sssvlv
overlay memberof
overlay refint
refint_attributes member
${database}
access to attrs=userPassword by self write by anonymous auth by * none
access to * by users read by * none
`
}
