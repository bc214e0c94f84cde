/** The channels of this server, held against the one contract of channels. */
import * as z from 'zod'
import { defer, definePlugin, type Refusal, refuse } from '../../core/index.ts'
import { channelContract, createTestKernel, type Held } from '../../core/testing/index.ts'
import type { Filing, FilingAction } from '../../plugins/mailbox/store/api.ts'
import { smtpOut } from '../../plugins/smtp/out/index.ts'
import { outgoingRefused } from '../../plugins/smtp/refused/index.ts'
import { createListsKernel } from '../support/lists.ts'
import { createMailKernel } from '../support/mailstore.ts'
import { type SinkSession, startSink } from '../support/smtp-sink.ts'

/** Something that waits once, from `hold` until the test releases it. */
class Gate {
  #held: { begin(): void; readonly released: Promise<void> } | undefined

  hold(): Held {
    const begun = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    this.#held = { begin: () => begun.resolve(), released: released.promise }
    return { begun: begun.promise, release: () => released.resolve() }
  }

  /** Undefined when nothing is held. */
  take(): Promise<void> | undefined {
    const held = this.#held
    this.#held = undefined
    held?.begin()
    return held?.released
  }
}

const recipientIn = (command: string) => /<(.*)>/.exec(command)?.[1] ?? ''

for (const protocol of ['smtp', 'lmtp'] as const)
  channelContract(`smtp-out by ${protocol.toUpperCase()}`, async (t, given) => {
    const gate = new Gate()
    const replies = (session: SinkSession): string[] => {
      const to = session.commands.slice(session.commands.findLastIndex((one) => one.startsWith('MAIL')))
      return protocol === 'smtp' ? ['250 2.0.0 Taken'] : to.filter(isTaken).map(() => '250 2.1.5 Kept')
    }
    const isTaken = (command: string) => command.startsWith('RCPT') && !/<(later|never)@/.test(command)
    const sink = await startSink(t, {
      lmtp: protocol === 'lmtp',
      answer(command, session) {
        if (command.startsWith('RCPT TO:<later@')) return '450 4.2.0 Try again later'
        if (command.startsWith('RCPT TO:<never@')) return '550 5.1.1 No such mailbox'
        const released = command === 'END' ? gate.take() : undefined
        if (!released) return undefined
        void released.then(() => session.socket.write(`${replies(session).join('\r\n')}\r\n`))
        return 'stall'
      },
    })
    const out = smtpOut({ nexthop: sink.nexthop, protocol, domains: ['b.test'] }, { accepts: 'anyone' })
    return {
      kernel: await createTestKernel(t, { ...given, channels: { out } }),
      recipients: { delivered: ['ann@b.test', 'bob@b.test'], deferred: 'later@b.test', failed: 'never@b.test' },
      arrived: (address) => sink.messages.flatMap(({ to }) => to).filter((one) => recipientIn(one) === address).length,
      hold: () => gate.hold(),
    }
  })

/** What a rule does about mail for these accounts. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  later: defer(450, '4.7.1', 'Not now'),
  never: refuse(550, '5.7.1', 'Not here'),
}

channelContract('mailstore', async (t, given) => {
  const gate = new Gate()
  const filter = definePlugin({
    name: 'filter',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        async 'mailstore:filing'(filing: Filing) {
          await gate.take()
          const refusal = REFUSALS[filing.account.name]
          if (!refusal) return filing
          const reject: FilingAction = { kind: 'reject', reason: 'a rule', refusal }
          return { ...filing, actions: [...filing.actions, reject] }
        },
      },
    }),
  })
  const people = ['ann', 'bob', 'later', 'never'].map((name) => ({
    name,
    addresses: [`${name}@here.test`],
  }))
  const kernel = await createMailKernel(t, { ...given, people, plugins: [filter()] })
  return {
    kernel,
    recipients: {
      delivered: ['ann@here.test', 'bob@here.test'],
      deferred: 'later@here.test',
      failed: 'never@here.test',
    },
    arrived: async (address) => {
      const account = address.slice(0, address.indexOf('@'))
      return (await kernel.mail.mailboxes(account)).reduce((sum, { messages = 0 }) => sum + messages, 0)
    },
    hold: () => gate.hold(),
  }
})

const memberOf = (list: string) => list.replace('@lists.test', '@member.test')

channelContract('lists', async (t, given) => {
  const kernel = await createListsKernel(t, given)
  const lists: readonly [string, string] = ['one@lists.test', 'two@lists.test']
  if (!given.store)
    for (const address of lists) {
      await kernel.iems('list add', {
        address,
        owners: ['owner@o.test'],
        welcome: '',
        post: 'anyone',
        explicit: 'no',
        dmarc: 'none',
      })
      await kernel.iems('list join', { list: address, address: memberOf(address) })
    }
  return {
    kernel,
    recipients: { delivered: lists },
    arrived: (address) => kernel.delivered.filter(({ to }) => to.includes(memberOf(address))).length,
  }
})

channelContract('outgoing-refused', async (t, given) => {
  const reroute = definePlugin({
    name: 'reroute',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        route: () => ({ channel: 'out', nexthop: 'far.test' }),
        dispatch: ({ route }) =>
          route.channel === 'out' ? { kind: 'reroute', route: { channel: 'refused', nexthop: 'none' } } : undefined,
      },
    }),
  })
  const kernel = await createTestKernel(t, {
    ...given,
    channels: { refused: outgoingRefused() },
    plugins: [reroute()],
    deliver: () => [],
  })
  return { kernel, recipients: { failed: 'never@far.test' } }
})
