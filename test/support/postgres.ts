/*
 * A private PostgreSQL for one test file: its own cluster in a temporary folder, reached by a socket in it. The server
 * does not run as root, so a test that does gives it to the user `postgres` of Debian's package. `whyNoPostgres` says
 * why a test that needs it has to be skipped.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { appendFile, chmod, chown, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Program, runProgram, type Scope, startProgram } from 'iems/testing'
import pg from 'pg'

export interface Postgres {
  /** The folder of the cluster. */
  readonly folder: string
  /** Path of the socket. */
  readonly socket: string
  url(parameters?: string): string
  /** Runs statements and gives the rows of the last one. */
  query<R extends object>(text: string): Promise<R[]>
  stop(): Promise<void>
  /** Ends every process of the server at once, as a crash does. */
  kill(): Promise<void>
  start(): Promise<void>
  /** A standby of this one, which follows it. */
  standby(scope: Scope): Promise<Postgres>
  /** Makes a standby a primary. */
  promote(): Promise<void>
}

/** Not a process that has ended and waits for its parent to ask. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Looks at whether killed processes have ended: 10 s. */
const MAX_TRIES = 1000
const ROOT = '/usr/lib/postgresql'
const USER = 'postgres'

/** The newest version that is installed. */
const programs = (): string | undefined => {
  const versions = existsSync(ROOT) ? readdirSync(ROOT).sort((a, b) => Number(b) - Number(a)) : []
  return versions.map((version) => join(ROOT, version, 'bin')).find((folder) => existsSync(join(folder, 'initdb')))
}

export function whyNoPostgres(): string | undefined {
  if (programs() === undefined) return 'PostgreSQL (Debian package postgresql) is not installed'
  return process.getuid?.() === 0 && owner() === undefined ? `there is no user ${USER} to run PostgreSQL as` : undefined
}

function owner(): { readonly uid: number; readonly gid: number } | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${USER}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
}

/** A command line that runs a program of PostgreSQL, not as root. */
function command(program: string, args: readonly string[]): [string, string[]] {
  const path = join(programs() ?? '', program)
  if (process.getuid?.() !== 0) return [path, [...args]]
  const { uid, gid } = owner() ?? { uid: 0, gid: 0 }
  return ['/usr/bin/setpriv', [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', path, ...args]]
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const { code, err, out } = await runProgram(...command(program, args), { cwd: tmpdir() })
  if (code !== 0) throw new Error(`${program}: ${err}${out}`)
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'iems-postgres-'))
  await chmod(folder, 0o700)
  const { uid, gid } = owner() ?? {}
  if (process.getuid?.() === 0 && uid !== undefined && gid !== undefined) await chown(folder, uid, gid)
  return folder
}

/** What the operating system keeps outlives the processes, so a test needs no fsync. */
const SETTINGS = `
listen_addresses = ''
fsync = off
max_connections = 60
max_wal_senders = 4
hot_standby = on
wal_keep_size = '64MB'
shared_buffers = '32MB'
deadlock_timeout = '200ms'
log_min_messages = warning
`

export async function startPostgres(scope: Scope): Promise<Postgres> {
  const folder = await makeFolder()
  const server = new Server(folder, scope)
  scope.after(() => server.remove())
  await run('initdb', ['-D', join(folder, 'data'), '-U', USER, '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'])
  await appendFile(join(folder, 'data', 'postgresql.conf'), `${SETTINGS}unix_socket_directories = '${folder}'\n`)
  await server.start()
  return server
}

class Server implements Postgres {
  readonly folder: string
  readonly #scope: Scope
  #program: Program | undefined
  #client: pg.Client | undefined

  constructor(folder: string, scope: Scope) {
    this.folder = folder
    this.#scope = scope
  }

  get socket(): string {
    return join(this.folder, '.s.PGSQL.5432')
  }

  get #data(): string {
    return join(this.folder, 'data')
  }

  url(parameters = ''): string {
    return `postgres://${USER}@localhost/postgres?host=${encodeURIComponent(this.folder)}${parameters}`
  }

  async query<R extends object>(text: string): Promise<R[]> {
    this.#client ??= await this.#connect()
    const result: pg.QueryResult<R> | pg.QueryResult<R>[] = await this.#client.query<R>(text)
    return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url() })
    const over = () => {
      this.#client = undefined
    }
    client.on('error', over)
    client.on('end', over)
    await client.connect()
    return client
  }

  async start(): Promise<void> {
    const [program, args] = command('postgres', ['-D', this.#data])
    this.#program = await startProgram(this.#scope, program, args, {
      ready: /ready to accept/,
      cwd: this.folder,
    })
  }

  async stop(): Promise<void> {
    await run('pg_ctl', ['-D', this.#data, '-m', 'fast', '-w', 'stop'])
    await this.#program?.stop()
  }

  async kill(): Promise<void> {
    const pid = Number((await readFile(join(this.#data, 'postmaster.pid'), 'utf8')).split('\n')[0])
    // A child that outlived its parent would go on writing beside the next server, which a crash of the machine does not.
    process.kill(pid, 'SIGSTOP')
    const { out } = await runProgram('/usr/bin/pgrep', ['-P', String(pid)])
    const all = [pid, ...out.split('\n').filter(Boolean).map(Number)]
    for (const one of all) {
      try {
        process.kill(one, 'SIGKILL')
      } catch {
        // It has ended meanwhile.
      }
    }
    await this.#program?.stop()
    for (let tries = 0; tries < MAX_TRIES && all.some(isRunning); tries++) await delay(10)
    await rm(join(this.#data, 'postmaster.pid'), { force: true })
  }

  async standby(scope: Scope): Promise<Postgres> {
    const folder = await makeFolder()
    const server = new Server(folder, scope)
    scope.after(() => server.remove())
    await run('pg_basebackup', [
      '-D',
      join(folder, 'data'),
      '-h',
      this.folder,
      '-U',
      USER,
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
    ])
    await appendFile(join(folder, 'data', 'postgresql.conf'), `unix_socket_directories = '${folder}'\n`)
    await server.start()
    return server
  }

  promote(): Promise<void> {
    return run('pg_ctl', ['-D', this.#data, '-w', 'promote'])
  }

  async remove(): Promise<void> {
    await this.#client?.end()
    await this.#program?.stop()
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10 })
  }
}

/** A scope for a whole test file: node's own `after`, called in a test, ends with that test. */
export function fileScope(): Scope {
  const ends: (() => Promise<void> | void)[] = []
  after(async () => {
    for (const end of ends.reverse()) await end()
  })
  return { after: (end) => void ends.push(end) }
}
