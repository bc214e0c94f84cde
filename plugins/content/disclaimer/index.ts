/**
 * Texts in messages: disclaimers on what leaves, banners on what arrives.
 *
 * Invariants: messages are changed in `modify`, so DKIM signatures, which are made at `dispatch`, cover what is sent;
 * recipients with other texts get a message of their own; a message that cannot be changed is delivered as it is.
 */
import { definePlugin, type HookContext, type Message } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
import { createCommands } from './commands.ts'
import { insertTexts } from './insert.ts'
import { options } from './options.ts'
import {
  firstContacts,
  groupRecipients,
  groupsOf,
  insertionOf,
  type Rule,
  readRules,
  reasonNot,
  valuesOf,
} from './rules.ts'

export const disclaimer = definePlugin({
  name: 'disclaimer',
  config: options,
  wants: [Accounts],
  setup(config, ctx) {
    const accounts = ctx.find(Accounts)
    const { domains } = config
    const now = () => ctx.clock.now()
    let rules = readRules(config)

    async function change(message: Message, chosen: readonly Rule[], note: HookContext['note']): Promise<void> {
      if (chosen.length === 0) return
      const values = await valuesOf(message, accounts, now())
      const { content, notes } = await insertTexts(
        message,
        chosen.map((rule) => insertionOf(rule, values)),
      )
      if (content) await message.replaceContent(content())
      for (const one of notes) note('disclaimer', one)
    }

    return {
      hooks: {
        modify: {
          stage: 'late',
          async handler(message, { note }) {
            const groups = await groupsOf(message, accounts)
            const asksNew = rules.some(({ firstContact }) => firstContact)
            const isNewTo = asksNew ? await firstContacts(message, accounts) : new Set<string>()
            const parted = groupRecipients(message.recipients, ({ address }) =>
              rules.filter((rule) => {
                const facts = { to: address, groups, domains, isNew: isNewTo.has(address) }
                return reasonNot(rule, message, facts) === undefined
              }),
            )
            // The first group keeps the message itself.
            const [first, ...others] = parted
            const apart = others.map((group) => ({ ...group, message: message.split(group.recipients) }))
            if (first) await change(message, first.rules, note)
            for (const group of apart) await change(group.message, group.rules, note)
          },
        },
      },
      commands: createCommands({ rules: () => rules, domains, accounts, now }),
      refresh() {
        rules = readRules(config)
        return true
      },
    }
  },
})
