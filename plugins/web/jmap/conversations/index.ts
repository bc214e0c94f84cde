/**
 * Snooze and labels, which web mail needs and no RFC has.
 */
import type { SetupContext } from 'iems'
import { MailStore } from '../../../mailbox/store/api.ts'
import type { JmapApi } from '../api.ts'
import { KeptObjects } from '../kept.ts'
import { CONVERSATIONS, type Label, labelType, snoozeType } from './object-types.ts'
import { type Snooze, Snoozes } from './snoozes.ts'

const LOOK_MS = 60_000

export function addConversations(jmap: JmapApi, ctx: SetupContext): void {
  const { store, clock, log } = ctx
  const kept = <T extends object>(kind: string, type: string) =>
    new KeptObjects<T>(store, kind, (account) => jmap.changed(account, [type]))
  const asleep = kept<Snooze>('snooze', 'ConversationSnooze')
  const snoozes = new Snoozes({ mail: ctx.use(MailStore), store, clock, log, kept: asleep })
  jmap.capability(CONVERSATIONS, {
    session: {},
    account: (account, own) => (account === own ? {} : undefined),
  })
  jmap.objects('ConversationSnooze', snoozeType({ kept: asleep, snoozes, now: () => clock.now() }))
  jmap.objects('EmailLabel', labelType(kept<Label>('label', 'EmailLabel')))
  ctx.schedule({ name: 'snoozed conversations', every: LOOK_MS, run: (signal) => snoozes.wake(signal) })
}
