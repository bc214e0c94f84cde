/**
 * Threads (RFC 8621 section 3).
 */
import { type JmapObject, MAIL, type ObjectType } from '../api.ts'
import { changesOf, type MailDeps, stateOf, viewOf } from './deps.ts'

export function threadType(deps: MailDeps): ObjectType {
  return {
    capability: MAIL,
    properties: ['id', 'emailIds'],
    state: (account) => stateOf(deps, account),
    async get({ account, ids = [] }, call) {
      const view = await viewOf(deps, account, call)
      const found: JmapObject[] = []
      for (const id of ids) {
        const emails = (await deps.mail.thread(account, id)).filter((email) => view.sees(email))
        if (emails.length > 0) found.push({ id, emailIds: emails.map((email) => email.id) })
      }
      return found
    },
    async changes(account, since, limit) {
      const { threads, emails, state, hasMore } = await changesOf(deps, account, since, limit)
      const isNew = new Set(emails.created)
      const changes = { created: [] as string[], updated: [] as string[], destroyed: [] as string[] }
      for (const id of threads) {
        const left = await deps.mail.thread(account, id)
        if (left.length === 0) changes.destroyed.push(id)
        else if (left.every((email) => isNew.has(email.id))) changes.created.push(id)
        else changes.updated.push(id)
      }
      return { ...changes, newState: state, hasMoreChanges: hasMore }
    },
  }
}
