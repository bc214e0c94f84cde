/**
 * Calls of the server's JMAP: one method each.
 */
import { ask } from '../../app/ui/ask.ts'

interface Session {
  readonly capabilities: Readonly<Record<string, unknown>>
  readonly primaryAccounts: Readonly<Record<string, string>>
}
export interface JmapError {
  readonly type: string
  readonly description?: string
}

const CORE = 'urn:ietf:params:jmap:core'

export class Jmap {
  readonly #session: Session

  private constructor(session: Session) {
    this.#session = session
  }

  static async open(): Promise<Jmap> {
    return new Jmap(await ask<Session>('GET', '/jmap/session'))
  }

  has(capability: string): boolean {
    return `urn:ietf:params:jmap:${capability}` in this.#session.capabilities
  }

  async call<T>(capability: string, method: string, given: object): Promise<T> {
    const urn = `urn:ietf:params:jmap:${capability}`
    const accountId = this.#session.primaryAccounts[urn]
    const { methodResponses } = await ask<{ methodResponses: readonly [readonly [string, unknown]] }>(
      'POST',
      '/jmap/api',
      { using: [CORE, urn], methodCalls: [[method, { accountId, ...given }, 'a']] },
    )
    const [name, answer] = methodResponses[0]
    if (name !== 'error') return answer as T
    const { type, description } = answer as JmapError
    throw new Error(description ?? type)
  }
}
