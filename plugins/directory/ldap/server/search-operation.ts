/**
 * Search requests of one connection: complete, paged (RFC 2696), sorted (RFC 2891), or as a virtual list view.
 *
 * Invariants: a search ends at its time limit, size limit or limit of examined entries; an abandoned page releases its
 * resources soon; entries are sent at the client's pace.
 */
import { createHash } from 'node:crypto'
import type { Who } from './access.ts'
import { withoutAnr } from './anr.ts'
import type { Asker, OperationsDeps } from './asker.ts'
import type { Operation } from './connection.ts'
import { type Order, ranked, readOrder, viewOf } from './order.ts'
import { createPages, type Paged } from './paging.ts'
import { type Control, readPaged, readView, type SearchRequest, type ViewRequest } from './protocol/requests.ts'
import {
  LdapError,
  ldapMessage,
  pagedValue,
  type Result,
  type ResultName,
  SUCCESS,
  sortedValue,
  viewValue,
} from './protocol/responses.ts'
import { CONTROL } from './root.ts'
import type { Visible } from './search.ts'
import type { Selection } from './selection.ts'

/** A search that is running or waits for its next page. */
interface Run extends Paged {
  readonly request: SearchRequest
  readonly selection: Selection
  readonly found: AsyncGenerator<Visible>
  /** The current request; each page has its own. */
  operation: Operation
  /** Time limit, in ms since 1970. */
  end: number
  /** Maximum number of entries in one answer. */
  readonly most: number
  /** Found but not yet sent. */
  ahead: Visible | undefined
  /** Sent so far. */
  count: number
}

type OrderRead = ReturnType<typeof readOrder>

export class SearchOperations {
  readonly #parts: OperationsDeps
  readonly #asker: Asker
  readonly #pages

  constructor(parts: OperationsDeps, asker: Asker) {
    this.#parts = parts
    this.#asker = asker
    this.#pages = createPages<Run>(parts.options.limits.pagedSearches)
  }

  /** Drops the searches that wait for their next page. */
  clear(): Promise<void> {
    return this.#pages.clear()
  }

  async answer(request: SearchRequest, operation: Operation, who: Who): Promise<Result | undefined> {
    const control = (wanted: string) => operation.envelope.controls.find(({ type }) => type === wanted)
    const [paging, sorting, viewing] = [control(CONTROL.paged), control(CONTROL.sort), control(CONTROL.view)]
    const order = sorting && readOrder(sorting.value)
    if (order && 'result' in order && sorting.isCritical)
      return { result: 'unavailableCriticalExtension', controls: [sortedControl(order.result)] }
    const keys = order && 'keys' in order ? order.keys : []
    const meant = { ...request, filter: withoutAnr(request.filter) }
    const run = this.#begin(meant, operation, { who, keys: viewing ? [] : keys })
    const result = viewing
      ? await this.#sendView(run, { view: readView(viewing.value), keys, isPaged: paging !== undefined })
      : await (paging ? this.#sendPage(run, paging) : this.#send(run, Number.POSITIVE_INFINITY))
    if (operation.isAbandoned) return undefined
    return { ...result, controls: [...(result.controls ?? []), ...answerToSort(order)] }
  }

  #begin(
    request: SearchRequest,
    operation: Operation,
    { who, keys }: { readonly who: Who; readonly keys: readonly Order[] },
  ): Run {
    const { searching, options, clock } = this.#parts
    const { limits } = options
    const isAdmin = who.kind === 'admin'
    const state = { operation, end: clock.now() + timeOf(request, limits.time) }
    const check = () => {
      if (state.operation.isAbandoned) throw new LdapError('success')
      if (clock.now() > state.end) throw new LdapError('timeLimitExceeded', 'the search took too long')
    }
    const lookedAt = isAdmin ? Number.POSITIVE_INFINITY : limits.lookedAt
    const found = searching.search(request, { who, lookedAt, check })
    return Object.assign(state, {
      asked: markOf(operation),
      request,
      selection: searching.selectionOf(request.attributes),
      found: keys.length > 0 ? this.#inOrder(found, keys) : found,
      most: isAdmin ? Number.POSITIVE_INFINITY : limits.entries,
      ahead: undefined,
      count: 0,
    })
  }

  async #sendPage(begun: Run, { value }: Control): Promise<Result> {
    const { size, cookie } = readPaged(value)
    const run = cookie.length > 0 ? this.#pages.take(cookie, begun.asked) : begun
    if (!run) throw new LdapError('unwillingToPerform', 'the cookie does not belong to a search in progress')
    run.operation = begun.operation
    run.end = begun.end
    if (size === 0 && cookie.length > 0) {
      await run.found.return(undefined)
      return { ...SUCCESS, controls: [pagedControl(Buffer.alloc(0))] }
    }
    const result = await this.#send(run, size === 0 ? Number.POSITIVE_INFINITY : size)
    const isOver = result.result !== 'success' || !run.ahead
    return { ...result, controls: [pagedControl(isOver ? Buffer.alloc(0) : this.#pages.keep(run))] }
  }

  /** Sends at most `size` entries; one more is kept ahead. */
  async #send(run: Run, size: number): Promise<Result> {
    const { request, most } = run
    const isPaged = Number.isFinite(size)
    try {
      for (let count = 0; ; count++) {
        run.ahead ??= (await run.found.next()).value as Visible | undefined
        if (!run.ahead) return SUCCESS
        if (request.sizeLimit > 0 && run.count >= request.sizeLimit)
          return await over(run, 'more entries than were asked for')
        if (count >= Math.min(size, most)) return isPaged ? SUCCESS : await over(run, 'more entries than are allowed')
        if (!(await this.#write(run, run.ahead))) return await over(run, '')
        run.ahead = undefined
        run.count++
      }
    } catch (cause) {
      // A failed search releases the store.
      await run.found.return(undefined)
      if (!(cause instanceof LdapError)) throw cause
      return cause.result
    }
  }

  /** False when the client has abandoned the search. */
  async #write({ request, selection, operation }: Run, one: Visible): Promise<boolean> {
    const { output } = this.#asker
    const { searching } = this.#parts
    const { typesOnly } = request
    const known = searching.known(one, selection, typesOnly)
    const response = known ?? (await searching.draw(one, selection, typesOnly))
    if (operation.isAbandoned) return false
    output.write(ldapMessage(operation.envelope.id, response))
    if (output.isFull) await output.flush()
    return true
  }

  // --- sorted ---------------------------------------------------------------------------------------

  async #gather(found: AsyncIterable<Visible>): Promise<Visible[]> {
    const { options, searching } = this.#parts
    const all: Visible[] = []
    for await (const one of found) {
      if (all.length >= options.limits.sorted) throw new LdapError('adminLimitExceeded', 'too many entries to sort')
      all.push(searching.withOperational(one))
    }
    return all
  }

  async *#inOrder(found: AsyncIterable<Visible>, keys: readonly Order[]): AsyncGenerator<Visible> {
    for (const { one } of ranked(await this.#gather(found), keys)) yield one
  }

  /** Every request searches and sorts again, so a view is current and needs no state. */
  async #sendView(
    run: Run,
    { view, keys, isPaged }: { readonly view: ViewRequest; readonly keys: readonly Order[]; readonly isPaged: boolean },
  ): Promise<Result> {
    if (isPaged) throw new LdapError('unwillingToPerform', 'a search is either paged or a virtual list view')
    if (keys.length === 0) return viewFailed('sortControlMissing')
    if (view.before + view.after + 1 > run.most) return viewFailed('adminLimitExceeded')
    try {
      const all = ranked(await this.#gather(run.found), keys)
      const shown = viewOf(all, keys, view)
      if (!shown) return viewFailed('offsetRangeError', all.length)
      for (const one of shown.entries) if (!(await this.#write(run, one))) break
      return { ...SUCCESS, controls: [viewControl({ ...shown, count: all.length, result: 'success' })] }
    } catch (cause) {
      if (!(cause instanceof LdapError)) throw cause
      return cause.result
    }
  }
}

async function over(run: Run, text: string): Promise<Result> {
  run.ahead = undefined
  await run.found.return(undefined)
  return { result: 'sizeLimitExceeded', text }
}

const timeOf = ({ timeLimit }: SearchRequest, most: number) =>
  timeLimit === 0 ? most : Math.min(most, timeLimit * 1000)

/** Identifies a paged search by its first request, regardless of controls. */
function markOf({ envelope: { content, controls } }: Operation): string {
  const isPaged = controls.some(({ type }) => type === CONTROL.paged)
  return isPaged ? createHash('sha256').update(content).digest('base64') : ''
}

// --- controls of answers ----------------------------------------------------------------------------------

function answerToSort(order: OrderRead | undefined): Control[] {
  if (!order) return []
  return [sortedControl('result' in order ? order.result : 'success')]
}

function viewFailed(result: ResultName, count = 0): Result {
  return { result: 'virtualListViewError', controls: [viewControl({ position: 0, count, result })] }
}

const pagedControl = (cookie: Buffer): Control => ({
  type: CONTROL.paged,
  isCritical: false,
  value: pagedValue(cookie),
})
const sortedControl = (result: ResultName): Control => ({
  type: CONTROL.sorted,
  isCritical: false,
  value: sortedValue(result),
})
const viewControl = (view: Parameters<typeof viewValue>[0]): Control => ({
  type: CONTROL.viewed,
  isCritical: false,
  value: viewValue(view),
})
