/**
 * Dispatches requests to operations.
 *
 * Invariants: the right to change the directory is decided here and nowhere else; an unsupported critical control
 * refuses the request.
 */
import type { Who } from './access.ts'
import type { Asker, OperationsDeps } from './asker.ts'
import type { Operation } from './connection.ts'
import { ExtendedOperations } from './extended.ts'
import type { Control, Request, SearchRequest } from './protocol/requests.ts'
import { LdapError, type Result, SUCCESS } from './protocol/responses.ts'
import { EXTENSION, REQUEST_CONTROLS } from './root.ts'
import { SearchOperations } from './search-operation.ts'
import { answerSpecial, specialAt } from './special.ts'

type Of<K extends Request['kind']> = Extract<Request, { kind: K }>

export class Operations {
  readonly #parts: OperationsDeps
  readonly #asker: Asker
  readonly #searches: SearchOperations
  readonly #extended: ExtendedOperations

  constructor(parts: OperationsDeps, asker: Asker) {
    this.#parts = parts
    this.#asker = asker
    this.#searches = new SearchOperations(parts, asker)
    this.#extended = new ExtendedOperations(parts, asker)
  }

  /** Undefined for a request without a response. Search entries have been sent by then. */
  async answer(request: Request, operation: Operation): Promise<Result | undefined> {
    refuseUnknown(operation.envelope.controls)
    switch (request.kind) {
      case 'bind':
        await this.#searches.clear()
        return this.#asker.login.bind(request)
      case 'search':
        return this.#search(request, operation)
      case 'compare':
        return this.#compare(request)
      case 'extended':
        // Searches from before TLS do not continue under it.
        if (request.name === EXTENSION.startTls) await this.#searches.clear()
        return this.#extended.answer(request, await this.#whoAsks())
      case 'unbind':
      case 'abandon':
        return undefined
      default:
        return this.#change(request)
    }
  }

  /** Ends with the connection. */
  end(): Promise<void> {
    return this.#searches.clear()
  }

  async #search(request: SearchRequest, operation: Operation): Promise<Result | undefined> {
    const asker = this.#asker
    const special = request.scope === 'base' ? specialAt(request.base, this.#parts.tree.suffixText, asker) : undefined
    if (special) return answerSpecial(special, request, { id: operation.envelope.id, asker })
    return this.#searches.answer(request, operation, await this.#whoReads())
  }

  async #compare({ dn, attribute, value }: Of<'compare'>): Promise<Result> {
    const { searching } = this.#parts
    const is = await searching.compare(await searching.find(dn, await this.#whoReads()), attribute, value)
    return { result: is ? 'compareTrue' : 'compareFalse' }
  }

  async #change(request: Of<'add' | 'modify' | 'delete' | 'rename'>): Promise<Result> {
    const { writing } = this.#parts
    const who = await this.#whoAsks()
    if (who.kind !== 'admin') throw new LdapError('insufficientAccessRights', 'only administrators change entries')
    const by = `ldap: ${who.user}`
    if (request.kind === 'add') await writing.add(request, by)
    else if (request.kind === 'modify') await writing.modify(request, by)
    else if (request.kind === 'delete') await writing.remove(request, by)
    else await writing.rename(request, by)
    return SUCCESS
  }

  #whoAsks(): Promise<Who> {
    return this.#parts.access.whoIs(this.#asker.identity())
  }

  async #whoReads(): Promise<Who> {
    const who = await this.#whoAsks()
    if (who.kind === 'anonymous' && this.#parts.options.anonymous === 'nothing')
      throw new LdapError('insufficientAccessRights', 'authentication required')
    return who
  }
}

function refuseUnknown(controls: readonly Control[]): void {
  if (controls.some(({ type, isCritical }) => isCritical && !REQUEST_CONTROLS.includes(type)))
    throw new LdapError('unavailableCriticalExtension', 'unsupported critical control')
}
