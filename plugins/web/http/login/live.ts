/**
 * Active logins: each has a kernel session, so that it ends with the account, its password or its rights, and so that a
 * password is not verified again for every request.
 *
 * Invariants: a password is remembered only as a keyed hash in memory; a login revoked by the kernel is never reused;
 * their number is bounded.
 */
import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import {
  Cache,
  type Clock,
  type ConnectionInfo,
  type Identity,
  type Refusal,
  type ServerSession,
  type WholeCredentials,
} from 'iems'

export interface LiveLogin {
  readonly kernel: ServerSession
  readonly identity: Identity
}

/** The reason for having no login; `ended`: the credential is permanently invalid. */
export interface NoLogin {
  readonly refused: Refusal
  readonly ended: boolean
}

const KEPT_MS = 300_000
const MAX_KEPT = 20_000

export interface LiveLoginsDeps {
  readonly clock: Clock
  readonly openSession: (facts: ConnectionInfo) => ServerSession
}

interface Kept {
  readonly login: Promise<LiveLogin | NoLogin>
  used: number
  session?: ServerSession
}

export class LiveLogins {
  readonly #deps: LiveLoginsDeps
  readonly #secret = createSecretKey(randomBytes(32))
  readonly #kept: Cache<Kept>

  constructor(deps: LiveLoginsDeps) {
    this.#deps = deps
    this.#kept = new Cache({ max: MAX_KEPT, evicted: (kept, at) => this.#forget(at, kept) })
  }

  /** Logs in with credentials sent with every request. */
  show(credentials: WholeCredentials, facts: ConnectionInfo): Promise<LiveLogin | NoLogin> {
    return this.#get(['shown', JSON.stringify(credentials), facts.remote.address], facts, async (session) => {
      const answer = await session.auth(credentials)
      return answer.kind === 'identity' ? undefined : answer
    })
  }

  /** Logs in with the identity of a cookie. */
  resume(id: string, identity: Identity, facts: ConnectionInfo): Promise<LiveLogin | NoLogin> {
    return this.#get(['cookie', id, facts.remote.address], facts, (session) => session.resume(identity))
  }

  /** Forgets those that were not used lately; called now and then. */
  sweep(): void {
    const now = this.#deps.clock.now()
    for (const [at, kept] of [...this.#kept.entries()]) if (now - kept.used > KEPT_MS) this.#forget(at, kept)
  }

  close(): void {
    for (const [at, kept] of [...this.#kept.entries()]) this.#forget(at, kept)
  }

  async #get(
    name: readonly string[],
    facts: ConnectionInfo,
    enter: (session: ServerSession) => Promise<Refusal | undefined>,
  ): Promise<LiveLogin | NoLogin> {
    const at = createHmac('sha256', this.#secret).update(JSON.stringify(name)).digest('base64')
    const kept = this.#kept.getOrMake(at, () => this.#open(at, facts, enter))
    kept.used = this.#deps.clock.now()
    return kept.login
  }

  #open(at: string, facts: ConnectionInfo, enter: (session: ServerSession) => Promise<Refusal | undefined>): Kept {
    const session = this.#deps.openSession(facts)
    const login = begin(session, enter)
    const kept: Kept = { used: 0, session, login }
    login.then(
      (made) => {
        if ('refused' in made) this.#forget(at, kept)
        else session.revoked.addEventListener('abort', () => this.#forget(at, kept), { once: true })
      },
      // Nothing there throws but a bug; then the next request tries again.
      () => this.#forget(at, kept),
    )
    return kept
  }

  #forget(at: string, kept: Kept): void {
    if (this.#kept.get(at) === kept) this.#kept.delete(at)
    kept.session?.close()
    delete kept.session
  }
}

async function begin(
  session: ServerSession,
  enter: (session: ServerSession) => Promise<Refusal | undefined>,
): Promise<LiveLogin | NoLogin> {
  const refused = (await session.connect()) ?? (await enter(session))
  const { identity } = session.session
  if (refused || !identity) return { refused: refused as Refusal, ended: session.revoked.aborted }
  return {
    kernel: session,
    // It may have changed since, as roles do.
    get identity() {
      return session.session.identity ?? identity
    },
  }
}
