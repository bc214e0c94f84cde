/**
 * The Directory service: reading, changing, the feed, and account secrets under one contract.
 *
 * It only delegates, so each part can be tested alone.
 */
import type { Store } from 'iems'
import type { AccountPasskeys } from './account-passkeys.ts'
import type { AccountSecrets } from './account-secrets.ts'
import type { DirectoryApi } from './api.ts'
import type { Changes } from './changes.ts'
import { EntryReader } from './entry-reader.ts'
import { readFeed } from './feed.ts'
import type { Lookup } from './lookup.ts'

export interface DirectoryServiceDeps {
  readonly store: Store
  readonly lookup: Lookup
  readonly changes: Changes
  readonly secrets: AccountSecrets
  readonly passkeys: AccountPasskeys
}

export class DirectoryService extends EntryReader implements DirectoryApi {
  readonly #deps: DirectoryServiceDeps

  constructor(deps: DirectoryServiceDeps) {
    super(deps.store, deps.lookup)
    this.#deps = deps
  }

  change(...given: Parameters<DirectoryApi['change']>) {
    return this.#deps.changes.change(...given)
  }

  feed(...given: Parameters<DirectoryApi['feed']>) {
    return readFeed(this.#deps.store, ...given)
  }

  appPasswords(...given: Parameters<DirectoryApi['appPasswords']>) {
    return this.#deps.secrets.appPasswords(...given)
  }

  addAppPassword(...given: Parameters<DirectoryApi['addAppPassword']>) {
    return this.#deps.secrets.addAppPassword(...given)
  }

  removeAppPassword(...given: Parameters<DirectoryApi['removeAppPassword']>) {
    return this.#deps.secrets.removeAppPassword(...given)
  }

  passkeys(...given: Parameters<DirectoryApi['passkeys']>) {
    return this.#deps.passkeys.list(...given)
  }

  addPasskey(...given: Parameters<DirectoryApi['addPasskey']>) {
    return this.#deps.passkeys.add(...given)
  }

  removePasskey(...given: Parameters<DirectoryApi['removePasskey']>) {
    return this.#deps.passkeys.remove(...given)
  }

  takePasskey(...given: Parameters<DirectoryApi['takePasskey']>) {
    return this.#deps.passkeys.use(...given)
  }

  ownIdentity(...given: Parameters<DirectoryApi['ownIdentity']>) {
    return this.#deps.passkeys.ownIdentity(...given)
  }

  startTotp(...given: Parameters<DirectoryApi['startTotp']>) {
    return this.#deps.secrets.startTotp(...given)
  }

  confirmTotp(...given: Parameters<DirectoryApi['confirmTotp']>) {
    return this.#deps.secrets.confirmTotp(...given)
  }

  removeTotp(...given: Parameters<DirectoryApi['removeTotp']>) {
    return this.#deps.secrets.removeTotp(...given)
  }

  hasTotp(...given: Parameters<DirectoryApi['hasTotp']>) {
    return this.#deps.secrets.hasTotp(...given)
  }

  needsCode(...given: Parameters<DirectoryApi['needsCode']>) {
    return this.#deps.secrets.needsCode(...given)
  }

  checkTotp(...given: Parameters<DirectoryApi['checkTotp']>) {
    return this.#deps.secrets.checkTotp(...given)
  }
}
