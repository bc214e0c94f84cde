/**
 * One filter: a milter session for each client, opened on demand and replayed up to the current step.
 *
 * Invariants: a failing filter has the configured effect, and the next message opens a new connection; no state of a
 * client outlives its session.
 */
import {
  AllBackendsDown,
  type BackendState,
  createBackendPool,
  defer,
  type Log,
  type MailParameters,
  type PooledBackend,
  type Session,
} from 'iems'
import { Connection } from './connection.ts'
import { type Judgement, type MessageForFilter, MilterSession, type Said, UNCHANGED } from './milter-session.ts'
import type { FilterOptions } from './options.ts'

/** The client's envelope so far. */
export interface Envelope {
  readonly from: string
  readonly parameters: MailParameters
  /** Accepted recipients. */
  readonly recipients: string[]
}

export interface FilterDeps {
  readonly options: FilterOptions
  readonly hostname: string
  readonly maxBody: number
  readonly now: () => number
  readonly log: Log
}

interface Talk {
  readonly conversation: MilterSession
  readonly server: PooledBackend
}

/** The filter is skipped: no server answers, and the configuration lets mail continue. */
export const SKIPPED = Symbol('skipped')

const esmtpOf = ({ size, body, smtpUtf8 }: MailParameters) => [
  ...(size === undefined ? [] : [`SIZE=${size}`]),
  ...(body === undefined ? [] : [`BODY=${body}`]),
  ...(smtpUtf8 ? ['SMTPUTF8'] : []),
]

export type Filter = ReturnType<typeof createFilter>
export function createFilter({ options, hostname, maxBody, now, log }: FilterDeps) {
  const { name, whenDown, ...waits } = options
  const outside = createBackendPool({ ...options, timeout: options.connect, service: `the filter ${name}`, now, log })

  async function open(): Promise<Talk> {
    for (const server of outside.each()) {
      try {
        const { connection, terms } = await Connection.open(server.to, waits)
        return { conversation: new MilterSession({ connection, terms, waits, hostname, maxBody }), server }
      } catch (cause) {
        server.failed(cause)
      }
    }
    throw new AllBackendsDown(`the filter ${name} does not answer`)
  }

  return {
    client: () => new FilterClient({ name, whenDown, log, open }),
    states: (): readonly BackendState[] => outside.states(),
    backends: outside.backends,
  }
}

interface ClientDeps extends Pick<FilterOptions, 'name' | 'whenDown'> {
  readonly log: Log
  open(): Promise<Talk>
}

/** One client's session with a filter. */
export class FilterClient {
  readonly #deps: ClientDeps
  #talk: Talk | undefined
  #isSkipped = false
  readonly name: string

  constructor(deps: ClientDeps) {
    this.#deps = deps
    this.name = deps.name
  }

  connect(session: Session) {
    return this.#ask(async () => (await this.#begun(session, undefined)).said)
  }

  helo(session: Session) {
    return this.#ask(async () => {
      const wasNew = this.#talk === undefined
      const { said, is } = await this.#begun(session, undefined)
      return said ?? (wasNew ? undefined : is?.helo(session))
    })
  }

  mail(session: Session, envelope: Envelope) {
    this.#isSkipped = false
    return this.#ask(async () => {
      const wasNew = this.#talk === undefined
      const { said, is } = await this.#begun(session, envelope)
      return said ?? (wasNew ? undefined : is?.mail(envelope.from, session, esmtpOf(envelope.parameters)))
    })
  }

  rcpt(session: Session, envelope: Envelope, to: string) {
    return this.#ask(async () => {
      const { said, is } = await this.#begun(session, envelope)
      return said ?? is?.rcpt(to, [])
    })
  }

  content(session: Session, envelope: Envelope, letter: MessageForFilter) {
    return this.#ask(async (): Promise<Judgement> => {
      const { said, is } = await this.#begun(session, envelope)
      if (said || !is) return { ...(said ? { refusal: said } : {}), isDiscarded: false, changes: UNCHANGED }
      const judgement = await is.content(letter)
      this.#talk?.server.answered()
      return judgement
    })
  }

  /** Undefined when the filter refuses one of the replayed steps. */
  async #begun(session: Session, envelope: Envelope | undefined): Promise<{ said: Said; is?: MilterSession }> {
    if (this.#talk) return { said: undefined, is: this.#talk.conversation }
    this.#talk = await this.#deps.open()
    const { conversation } = this.#talk
    let said = await conversation.connect(session)
    if (session.helo !== undefined) said ??= await conversation.helo(session)
    if (envelope) said ??= await conversation.mail(envelope.from, session, esmtpOf(envelope.parameters))
    for (const to of envelope?.recipients ?? []) said ??= await conversation.rcpt(to, [])
    return { said, is: conversation }
  }

  async #ask<T>(run: () => Promise<T>): Promise<T | Said | typeof SKIPPED> {
    if (this.#isSkipped) return SKIPPED
    try {
      return await run()
    } catch (cause) {
      if (!(cause instanceof AllBackendsDown)) {
        this.#talk?.server.failed(cause)
        this.#deps.log.warn(`the filter ${this.#deps.name} has failed`, { cause })
      }
      this.close()
      this.#isSkipped = this.#deps.whenDown === 'skip'
      return this.#isSkipped ? SKIPPED : defer(451, '4.7.1', 'A filter does not answer, try again later')
    }
  }

  close() {
    this.#talk?.conversation.close()
    // A client without a message proves nothing about a server on trial.
    this.#talk?.server.release()
    this.#talk = undefined
  }
}
