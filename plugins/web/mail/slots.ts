/**
 * Plugins' additions to the web mail, and their list for the browser.
 *
 * Invariants: a reader sees banners of the account's own messages only; a plugin's fault hides only its own banner.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type Log, splitContent } from 'iems'
import * as z from 'zod'
import type { MailStoreApi } from '../../mailbox/store/api.ts'
import { Download, type HttpApi, HttpProblem } from '../http/api.ts'
import type {
  AppSlot,
  BadgeSlot,
  Banner,
  BannerSlot,
  ModuleSlot,
  ModuleSlotEntry,
  ShownMessage,
  WebmailApi,
} from './api.ts'

const MAX_HEADER = 1024 * 1024
const DAY_S = 86_400

interface Module extends ModuleSlotEntry {
  readonly slot: ModuleSlot
}

export class Slots implements WebmailApi {
  readonly banners: BannerSlot[] = []
  readonly modules: Module[] = []
  readonly apps: AppSlot[] = []
  readonly badges: BadgeSlot[] = []

  add(
    slot: ModuleSlot | 'message.banner' | 'list.badge' | 'app',
    given: BannerSlot | ModuleSlotEntry | BadgeSlot | AppSlot,
  ): void {
    if (slot === 'message.banner') this.banners.push(given as BannerSlot)
    else if (slot === 'list.badge') this.badges.push(given as BadgeSlot)
    else if (slot === 'app') this.apps.push(given as AppSlot)
    else {
      const module = { ...(given as ModuleSlotEntry), slot }
      if (this.modules.some((other) => other.slot === slot && other.name === module.name))
        throw new Error(`two modules of the web mail are called ${module.name} in ${slot}`)
      this.modules.push(module)
    }
  }
}

/** The header of one of the account's own messages. Throws 404 for any other. */
export async function shownMessage(mail: MailStoreApi, account: string, email: string): Promise<ShownMessage> {
  const [own] = await Array.fromAsync(mail.emails(account, [email]))
  const content = own && (await mail.email(email))
  if (!content) throw new HttpProblem(404, 'There is no such message')
  const split = await splitContent(content.open(), MAX_HEADER)
  const fields = split?.fields ?? []
  return {
    account,
    email,
    field: (name) =>
      fields
        .filter((field) => field.name.toLowerCase() === name)
        .map(({ value }) =>
          Buffer.from(value, 'latin1')
            .toString('utf8')
            .replace(/\r?\n(?=[ \t])/g, '')
            .trim(),
        ),
  }
}

export function addSlotRoutes(
  http: HttpApi,
  { slots, mail, log }: { readonly slots: Slots; readonly mail: MailStoreApi; readonly log: Log },
): void {
  http.route({
    method: 'GET',
    path: '/mail/api/banners',
    who: 'user',
    summary: 'Lists what plugins say about a message',
    query: z.object({ email: z.string().max(200) }),
    async run({ query: { email }, login }) {
      const message = await shownMessage(mail, login.identity.account ?? '', email)
      const shown = await Promise.all(
        slots.banners.map(async (slot): Promise<(Banner & { readonly name: string }) | undefined> => {
          try {
            const banner = await slot.show(message)
            return banner && { name: slot.name, ...banner }
          } catch (cause) {
            log.warn('a banner of the web mail failed', { plugin: slot.name, cause: String(cause) })
            return undefined
          }
        }),
      )
      return { banners: shown.filter((banner) => banner !== undefined) }
    },
  })
  const files = new Map<string, Promise<{ readonly text: string; readonly hash: string }>>()
  const fileOf = (module: Module) => {
    const key = `${module.slot} ${module.name}`
    const known = files.get(key)
    if (known) return known
    const read = readFile(module.module, 'utf8').then((text) => ({
      text,
      hash: createHash('sha256').update(text).digest('hex').slice(0, 16),
    }))
    files.set(key, read)
    return read
  }
  http.route({
    method: 'GET',
    path: '/mail/api/modules',
    who: 'user',
    summary: 'Lists the modules, badges and applications of plugins',
    async run({ login }) {
      const modules = slots.modules.map(async (module) => {
        const { slot, name, title } = module
        return { slot, name, title, url: `/mail/modules/${slot}/${name}?${(await fileOf(module)).hash}` }
      })
      const apps = slots.apps
        .filter(({ who }) => who === undefined || login.may(who))
        .map(({ name, title, path }) => ({ slot: 'app', name, title, url: path }))
      const badges = slots.badges.map(({ name, text, keyword, tone = 'quiet' }) => {
        return { slot: 'list.badge', name, title: text, url: '', keyword, tone }
      })
      return { modules: [...(await Promise.all(modules)), ...apps, ...badges] }
    },
  })
  http.stream({
    method: 'GET',
    path: '/mail/modules/:slot/:name',
    who: 'user',
    summary: 'Serves a module of a plugin',
    params: z.object({ slot: z.string(), name: z.string() }),
    async run({ params }) {
      const module = slots.modules.find(({ slot, name }) => slot === params.slot && name === params.name)
      if (!module) throw new HttpProblem(404, 'There is no such module')
      const { text } = await fileOf(module)
      return new Download({
        type: 'text/javascript; charset=utf-8',
        maxAge: DAY_S,
        open: async function* () {
          yield Buffer.from(text)
        },
      })
    },
  })
}
