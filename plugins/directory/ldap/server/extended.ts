/**
 * Extended operations: StartTLS, Who am I? (RFC 4532) and Password Modify (RFC 3062).
 *
 * Invariant: an account changes its own password only with the old one; an administrator changes any password.
 */
import { randomInt } from 'node:crypto'
import type { DirectoryAccount } from '../../store/api.ts'
import type { Who } from './access.ts'
import type { Asker, OperationsDeps } from './asker.ts'
import { octetString, sequence } from './protocol/ber.ts'
import { parseDn } from './protocol/dn.ts'
import { type Request, readPasswordModify } from './protocol/requests.ts'
import { LdapError, type Result, SUCCESS } from './protocol/responses.ts'
import { EXTENSION } from './root.ts'

type Extended = Extract<Request, { kind: 'extended' }>

export class ExtendedOperations {
  readonly #parts: OperationsDeps
  readonly #asker: Asker

  constructor(parts: OperationsDeps, asker: Asker) {
    this.#parts = parts
    this.#asker = asker
  }

  async answer({ name, value }: Extended, who: Who): Promise<Result> {
    switch (name) {
      case EXTENSION.startTls:
        if (!this.#asker.mayStartTls())
          throw new LdapError(this.#asker.isSecure() ? 'operationsError' : 'unavailable', 'TLS is not available')
        return { ...SUCCESS, name }
      case EXTENSION.whoAmI:
        return { ...SUCCESS, value: Buffer.from(await this.#authorizationId(who)) }
      case EXTENSION.passwordModify:
        return this.#passwordModify(value, who)
      default:
        throw new LdapError('protocolError', 'unsupported extended operation')
    }
  }

  /** RFC 4513 section 5.2.1.8. */
  async #authorizationId(who: Who): Promise<string> {
    if (who.kind === 'anonymous') return ''
    return who.account ? `dn:${await this.#parts.tree.dnOf(who.account)}` : `u:${who.user}`
  }

  async #passwordModify(value: Buffer | undefined, who: Who): Promise<Result> {
    const { user, old, new: given } = readPasswordModify(value)
    if (who.kind === 'anonymous') throw new LdapError('insufficientAccessRights', 'authentication required')
    if (!this.#asker.isSecure() && !this.#parts.options.authWithoutTls)
      throw new LdapError('confidentialityRequired', 'passwords require TLS')
    const account = user === undefined ? who.account : await this.#accountOf(user, who)
    if (!account) throw new LdapError('noSuchObject', 'no such account')
    await this.#mayChange(account, old, who)
    const password = given === undefined ? newPassword() : given.toString()
    if (password === '') throw new LdapError('constraintViolation', 'the password is empty')
    const change = () => this.#parts.writing.make([{ set: account.id, to: { password } }], `ldap: ${who.user}`)
    const isOwn = account.id === who.account?.id
    await (isOwn ? this.#asker.changeOwnPassword(change, account.name, password) : change())
    return given === undefined ? { ...SUCCESS, value: sequence(octetString(password, 0x80)) } : SUCCESS
  }

  async #mayChange({ id, name }: DirectoryAccount, old: Buffer | undefined, who: Who): Promise<void> {
    if (who.kind === 'admin' && old === undefined) return
    if (who.kind !== 'admin' && (who.kind === 'anonymous' || id !== who.account?.id))
      throw new LdapError('insufficientAccessRights', 'only an administrator changes the password of another account')
    // An application password must not suffice to take over the account.
    if (old === undefined || !(await this.#asker.isOwnPassword(id, name, old.toString())))
      throw new LdapError('unwillingToPerform', 'the old password is missing or wrong')
  }

  async #accountOf(user: string, who: Who): Promise<DirectoryAccount | undefined> {
    const { tree, directory, access } = this.#parts
    const dn = parseDn(user)
    const node = dn ? await tree.resolve(dn) : await directory.byName('account', user.replace(/^u:/, ''))
    return node?.kind === 'account' && access.readable(who, node) ? node : undefined
  }
}

const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789'
const newPassword = () => Array.from({ length: 20 }, () => LETTERS[randomInt(LETTERS.length)]).join('')
