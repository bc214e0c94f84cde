/**
 * Identities of accounts: their creation at login, their validity, and proxy authorization.
 *
 * Invariants: a session lasts no longer than the password, application password and account that opened it; an
 * administrator acts for others only if the option is on and every condition of the administrator's login still holds.
 */
import { type Clock, type Identity, type Refusal, refuse } from 'iems'
import type { AccountRecord } from './records.ts'

export interface IdentitiesDeps {
  /** The account with that id. */
  readonly recordOf: (id: string) => Promise<AccountRecord | undefined>
  /** The account with that name or address. */
  readonly accountOf: (login: string) => Promise<AccountRecord | undefined>
  readonly clock: Pick<Clock, 'now'>
  /** Whether administrators may act for others. */
  readonly proxyLogin: boolean
}

const NO_LONGER = refuse(535, '5.7.8', 'The login is no longer valid')

/** Credential of an account's current password; adding a second factor changes it. */
export function ownCredential({ passwordVersion = 0, totp }: AccountRecord): string {
  return `password:${passwordVersion}${totp?.isConfirmed ? ':totp' : ''}`
}

export function identityOf({ name, id, mayRelay, roles }: AccountRecord, credential?: string): Identity {
  return {
    kind: 'identity',
    user: name,
    account: id,
    mayRelay,
    ...(roles.length > 0 ? { roles } : {}),
    ...(credential === undefined ? {} : { credential }),
  }
}

export function createIdentities({ recordOf, accountOf, clock, proxyLogin }: IdentitiesDeps) {
  const appOf = ({ apps = [] }: AccountRecord, credential = '') => apps.find(({ id }) => `app:${id}` === credential)

  function isCurrent(account: AccountRecord | undefined, credential: string | undefined): account is AccountRecord {
    if (account?.status !== 'active') return false
    if (credential?.startsWith('app:')) {
      const app = appOf(account, credential)
      return app !== undefined && (app.expires === undefined || app.expires > clock.now())
    }
    if (credential?.startsWith('passkey:'))
      return account.passkeys?.some(({ id }) => credential === `passkey:${id}`) ?? false
    const own = ownCredential(account)
    // A session with the second factor outlives its removal.
    return credential === undefined || credential === own || credential === `${own}:totp`
  }

  /** An application password opens other accounts only if it was created for that. */
  function mayActForOthers(actor: AccountRecord, credential: string | undefined): boolean {
    const app = appOf(actor, credential)
    return proxyLogin && actor.roles.includes('admin') && (app === undefined || app.scopes.includes('proxy'))
  }

  async function actingAs(target: AccountRecord | undefined, actorId: string | undefined, credential?: string) {
    const actor = actorId === undefined ? undefined : await recordOf(actorId)
    if (target?.status !== 'active' || !isCurrent(actor, credential) || !mayActForOthers(actor, credential))
      return undefined
    return { ...identityOf(target, credential), actor: { user: actor.name, account: actor.id } }
  }

  async function reidentify({ account: id, credential, actor }: Identity): Promise<Identity | Refusal | undefined> {
    if (id === undefined) return undefined
    const account = await recordOf(id)
    if (actor) return (await actingAs(account, actor.account, credential)) ?? NO_LONGER
    return isCurrent(account, credential) ? identityOf(account, credential) : NO_LONGER
  }

  /** The same account by another name or address, or one that an administrator acts for. */
  async function authorize(identity: Identity, username: string): Promise<Identity | undefined> {
    const target = await accountOf(username)
    if (target !== undefined && target.id === identity.account) return identity
    return actingAs(target, identity.account, identity.credential)
  }

  return { reidentify, authorize }
}
