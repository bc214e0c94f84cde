/**
 * What each request comes to.
 *
 * What must stay true: who may change the directory is decided here and nowhere else; a control that is not known and
 * was called critical refuses the request.
 */
import { createHash, randomInt } from 'node:crypto'
import type { Clock, Identity, LineWriter, SaslMechanism } from 'iems'
import type { DirectoryApi } from '../../store/api.ts'
import type { Access, Who } from './access.ts'
import { withoutAnr } from './anr.ts'
import type { Operation } from './connection.ts'
import type { Login } from './login.ts'
import { compile } from './matching.ts'
import type { Options } from './options.ts'
import { createPages, type Paged } from './paging.ts'
import { octetString, sequence } from './protocol/ber.ts'
import { parseDn } from './protocol/dn.ts'
import {
  type Control,
  type Request,
  readPaged,
  readPasswordModify,
  readSortKeys,
  type SearchRequest,
} from './protocol/requests.ts'
import {
  entryMessage,
  LdapError,
  pagedValue,
  type Result,
  type ResultName,
  type Shown,
  SUCCESS,
  sortedValue,
} from './protocol/responses.ts'
import { CONTROL, EXTENSION, rootAttributes, SUBSCHEMA_ATTRIBUTES, specialShown, specialValues } from './root.ts'
import { describe } from './schema.ts'
import { type Order, type Searching, selectionOf, sorted, type Visible } from './search.ts'
import type { Tree } from './tree.ts'
import { SUBSCHEMA_DN } from './view.ts'
import type { Writing } from './writing.ts'

export interface OperationsDeps {
  readonly directory: DirectoryApi
  readonly tree: Tree
  readonly access: Access
  readonly searching: Searching
  readonly writing: Writing
  readonly options: Options
  readonly clock: Pick<Clock, 'now'>
}

/** The client that asks. */
export interface Asker {
  readonly output: LineWriter
  readonly login: Login
  identity(): Identity | undefined
  mayStartTls(): boolean
  isSecure(): boolean
  mechanisms(): readonly SaslMechanism[]
  /** Whether this is the account's own password, not one of a program. */
  isOwnPassword(account: string, name: string, password: string): Promise<boolean>
  /** Makes the change and stays authenticated by the new password: RFC 3062 takes nothing from the session that asks. */
  changeOwnPassword(change: () => Promise<unknown>, name: string, password: string): Promise<void>
}

/** A search that is under way, or waits for its next page. */
interface Run extends Paged {
  readonly request: SearchRequest
  readonly found: AsyncGenerator<Visible>
  /** The request that is answered now; a further page has another. */
  operation: Operation
  /** When its time is over. */
  end: number
  /** Most entries in one answer. */
  readonly most: number
  /** Found already, and not yet shown. */
  ahead: Visible | undefined
  /** Shown so far. */
  count: number
}

/** Requests of one connection. */
export function createOperations(parts: OperationsDeps, asker: Asker) {
  const { directory, tree, access, searching, writing, options, clock } = parts
  const { limits } = options
  const pages = createPages<Run>(limits.pagedSearches)

  async function answer(request: Request, operation: Operation): Promise<Result | undefined> {
    refuseUnknown(operation.envelope.controls)
    switch (request.kind) {
      case 'bind':
        await pages.clear()
        return asker.login.bind(request)
      case 'search':
        return search(request, operation)
      case 'compare':
        return compare(request)
      case 'extended':
        return extended(request)
      case 'unbind':
      case 'abandon':
        return undefined
      default:
        return change(request)
    }
  }

  function refuseUnknown(controls: readonly Control[]): void {
    const known: readonly string[] = [CONTROL.paged, CONTROL.sort, CONTROL.manageDsaIt]
    if (controls.some(({ type, isCritical }) => isCritical && !known.includes(type)))
      throw new LdapError('unavailableCriticalExtension', 'that control is not known here')
  }

  async function whoAsks(): Promise<Who> {
    return access.whoIs(asker.identity())
  }

  // --- search ------------------------------------------------------------------------------------

  async function search(request: SearchRequest, operation: Operation): Promise<Result | undefined> {
    const special = request.scope === 'base' ? specialAt(request.base) : undefined
    if (special) return answerSpecial(special, request, operation)
    const who = await whoAsks()
    if (who.kind === 'anonymous' && options.anonymous === 'nothing')
      throw new LdapError('insufficientAccessRights', 'log in first')
    const { controls } = operation.envelope
    const paging = controls.find(({ type }) => type === CONTROL.paged)
    const sorting = controls.find(({ type }) => type === CONTROL.sort)
    const order = sorting && orderIn(sorting)
    if (order && 'result' in order && sorting.isCritical)
      return { result: 'unavailableCriticalExtension', controls: [sortedControl(order.result)] }
    const meant = { ...request, filter: withoutAnr(request.filter) }
    const run = begin(meant, operation, { who, order: order && 'keys' in order ? order.keys : [] })
    const result = await (paging ? sendPage(run, paging) : send(run, Number.POSITIVE_INFINITY))
    if (operation.isAbandoned) return undefined
    const told = order ? [sortedControl('result' in order ? order.result : 'success')] : []
    return { ...result, controls: [...(result.controls ?? []), ...told] }
  }

  const timeOf = ({ timeLimit }: SearchRequest) =>
    timeLimit === 0 ? limits.time : Math.min(limits.time, timeLimit * 1000)

  function begin(
    request: SearchRequest,
    operation: Operation,
    { who, order }: { readonly who: Who; readonly order: readonly Order[] },
  ): Run {
    const check = () => {
      if (run.operation.isAbandoned) throw new LdapError('success')
      if (clock.now() > run.end) throw new LdapError('timeLimitExceeded', 'the search took too long')
    }
    async function* find(): AsyncGenerator<Visible> {
      // Address books that were told no base ask for everything below the root.
      const isAll = request.base.trim() === '' && request.scope === 'sub'
      const base = await searching.find(isAll ? tree.suffixText : request.base, who)
      const lookedAt = who.kind === 'admin' ? Number.POSITIVE_INFINITY : limits.lookedAt
      yield* searching.search(base.node, request, { who, lookedAt, check })
    }
    const run: Run = {
      asked: markOf(operation),
      request,
      found: order.length > 0 ? inOrder(find(), order) : find(),
      operation,
      end: clock.now() + timeOf(request),
      most: who.kind === 'admin' ? Number.POSITIVE_INFINITY : limits.entries,
      ahead: undefined,
      count: 0,
    }
    return run
  }

  async function sendPage(begun: Run, { value }: Control): Promise<Result> {
    const { size, cookie } = readPaged(value)
    const run = cookie.length > 0 ? pages.take(cookie, begun.asked) : begun
    if (!run) throw new LdapError('unwillingToPerform', 'this cookie belongs to no search that goes on')
    run.operation = begun.operation
    run.end = begun.end
    if (size === 0 && cookie.length > 0) {
      await run.found.return(undefined)
      return { ...SUCCESS, controls: [pagedControl(Buffer.alloc(0))] }
    }
    const result = await send(run, size === 0 ? Number.POSITIVE_INFINITY : size)
    const isOver = result.result !== 'success' || !run.ahead
    return { ...result, controls: [pagedControl(isOver ? Buffer.alloc(0) : await pages.keep(run))] }
  }

  /** Sends entries, as many as the page may have; one that is left is kept ahead. */
  async function send(run: Run, size: number): Promise<Result> {
    const { request, operation, most } = run
    const { output } = asker
    const selection = selectionOf(request.attributes)
    const isPaged = Number.isFinite(size)
    try {
      for (let count = 0; ; count++) {
        run.ahead ??= (await run.found.next()).value as Visible | undefined
        if (!run.ahead) return SUCCESS
        if (request.sizeLimit > 0 && run.count >= request.sizeLimit)
          return await over(run, 'more entries than were asked for')
        if (count >= Math.min(size, most)) return isPaged ? SUCCESS : await over(run, 'more entries than are allowed')
        const { dn, shown } = await searching.show(run.ahead, selection, request.typesOnly)
        if (operation.isAbandoned) return await over(run, '')
        output.write(entryMessage(operation.envelope.id, dn, shown))
        run.ahead = undefined
        run.count++
        if (output.isFull) await output.flush()
      }
    } catch (cause) {
      // What goes no further keeps nothing of the store open.
      await run.found.return(undefined)
      if (!(cause instanceof LdapError)) throw cause
      return cause.result
    }
  }

  async function over(run: Run, text: string): Promise<Result> {
    run.ahead = undefined
    await run.found.return(undefined)
    return { result: 'sizeLimitExceeded', text }
  }

  // --- in an order ----------------------------------------------------------------------------------

  function orderIn({ value }: Control): { readonly keys: readonly Order[] } | { readonly result: ResultName } {
    const keys: Order[] = []
    for (const { attribute, isReverse } of readSortKeys(value)) {
      const description = describe(attribute)
      if (!description) return { result: 'noSuchAttribute' }
      keys.push({ description, isReverse })
    }
    return keys.length > 0 && keys.length <= MAX_KEYS ? { keys } : { result: 'unwillingToPerform' }
  }

  async function* inOrder(found: AsyncIterable<Visible>, keys: readonly Order[]): AsyncGenerator<Visible> {
    const all: Visible[] = []
    for await (const one of found) {
      if (all.length >= limits.sorted) throw new LdapError('adminLimitExceeded', 'too many entries to be put in order')
      all.push(searching.withOperational(one))
    }
    yield* sorted(all, keys)
  }

  // --- what is no entry ------------------------------------------------------------------------------

  function specialAt(base: string) {
    if (base.trim() === '')
      return {
        dn: '',
        attributes: rootAttributes({
          suffix: tree.suffixText,
          mayStartTls: asker.mayStartTls(),
          mechanisms: asker.mechanisms(),
        }),
      }
    return base.trim().toLowerCase() === SUBSCHEMA_DN.toLowerCase()
      ? { dn: SUBSCHEMA_DN, attributes: SUBSCHEMA_ATTRIBUTES }
      : undefined
  }

  async function answerSpecial(
    { dn, attributes }: NonNullable<ReturnType<typeof specialAt>>,
    request: SearchRequest,
    { envelope }: Operation,
  ): Promise<Result> {
    const values = specialValues(attributes)
    const isMeant = compile(request.filter, { groupsOf: new Map(), membersOf: new Map() })
    // What asks for a subentry (RFC 3672) is no kind of entry that others have.
    const truth = isMeant({
      id: undefined,
      dn,
      values: ({ key, type }) => values.get(key) ?? (type ? [] : undefined),
      all: () => values,
      memberBase: '',
    })
    if (truth === true) {
      const shown: Shown = specialShown(attributes, selectionOf(request.attributes), request.typesOnly)
      asker.output.write(entryMessage(envelope.id, dn, shown))
    }
    return SUCCESS
  }

  // --- compare --------------------------------------------------------------------------------------

  async function compare({ dn, attribute, value }: Extract<Request, { kind: 'compare' }>): Promise<Result> {
    const who = await whoAsks()
    if (who.kind === 'anonymous' && options.anonymous === 'nothing')
      throw new LdapError('insufficientAccessRights', 'log in first')
    const is = await searching.compare(await searching.find(dn, who), attribute, value)
    return { result: is ? 'compareTrue' : 'compareFalse' }
  }

  // --- changes ----------------------------------------------------------------------------------------

  async function change(request: Extract<Request, { kind: 'add' | 'modify' | 'delete' | 'rename' }>): Promise<Result> {
    const who = await whoAsks()
    if (who.kind !== 'admin') throw new LdapError('insufficientAccessRights', 'administrators change entries')
    const by = `ldap: ${who.user}`
    if (request.kind === 'add') await writing.add(request, by)
    else if (request.kind === 'modify') await writing.modify(request, by)
    else if (request.kind === 'delete') await writing.remove(request, by)
    else await writing.rename(request, by)
    return SUCCESS
  }

  // --- extended operations -------------------------------------------------------------------------------

  async function extended({ name, value }: Extract<Request, { kind: 'extended' }>): Promise<Result> {
    switch (name) {
      case EXTENSION.startTls:
        await pages.clear()
        if (!asker.mayStartTls())
          throw new LdapError(asker.isSecure() ? 'operationsError' : 'unavailable', 'there is no TLS to begin')
        return { ...SUCCESS, name }
      case EXTENSION.whoAmI:
        return { ...SUCCESS, value: Buffer.from(await authorizationId()) }
      case EXTENSION.passwordModify:
        return passwordModify(value)
      default:
        throw new LdapError('protocolError', 'that extended operation is not known here')
    }
  }

  /** RFC 4513 section 5.2.1.8. */
  async function authorizationId(): Promise<string> {
    const who = await whoAsks()
    if (who.kind === 'anonymous') return ''
    return who.account ? `dn:${await tree.dnOf(who.account)}` : `u:${who.user}`
  }

  /** RFC 3062. */
  async function passwordModify(value: Buffer | undefined): Promise<Result> {
    const { user, old, new: given } = readPasswordModify(value)
    const who = await whoAsks()
    if (who.kind === 'anonymous') throw new LdapError('insufficientAccessRights', 'log in first')
    if (!asker.isSecure() && !options.authWithoutTls)
      throw new LdapError('confidentialityRequired', 'passwords are taken only under TLS')
    const account = user === undefined ? who.account : await accountOf(user, who)
    if (!account) throw new LdapError('noSuchObject', 'there is no such account')
    const isOwn = account.id === who.account?.id
    if (who.kind !== 'admin' && !isOwn) throw new LdapError('insufficientAccessRights', 'that is not yours')
    // Who came in by a program's password must not get hold of the account by it.
    if (old !== undefined || who.kind !== 'admin') {
      const isRight = old !== undefined && (await asker.isOwnPassword(account.id, account.name, old.toString()))
      if (!isRight) throw new LdapError('unwillingToPerform', 'the old password is needed, and must be right')
    }
    const password = given === undefined ? newPassword() : given.toString()
    if (password === '') throw new LdapError('constraintViolation', 'a password is not empty')
    const change = () => writing.make([{ set: account.id, to: { password } }], `ldap: ${who.user}`)
    await (isOwn ? asker.changeOwnPassword(change, account.name, password) : change())
    return given === undefined ? { ...SUCCESS, value: sequence(octetString(password, 0x80)) } : SUCCESS
  }

  async function accountOf(user: string, who: Who) {
    const dn = parseDn(user)
    const node = dn ? await tree.resolve(dn) : await directory.byName('account', user.replace(/^u:/, ''))
    return node?.kind === 'account' && access.readable(who, node) ? node : undefined
  }

  return { answer, end: () => pages.clear() }
}

const MAX_KEYS = 5
const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789'
const newPassword = () => Array.from({ length: 20 }, () => LETTERS[randomInt(LETTERS.length)]).join('')

/** A search is kept for its next page, its request is not. */
function markOf({ envelope: { content, controls } }: Operation): string {
  const isPaged = controls.some(({ type }) => type === CONTROL.paged)
  return isPaged ? createHash('sha256').update(content).digest('base64') : ''
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
