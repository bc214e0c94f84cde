/**
 * A plugin as a stranger would write it: it knows the package by its public names only.
 */
import { definePlugin } from 'iems'
import { Webmail } from 'iems/plugins/webmail'
import * as z from 'zod'

export const createStranger = (module: URL) =>
  definePlugin({
    name: 'stranger',
    config: z.undefined(),
    needs: [Webmail],
    setup(_, ctx) {
      const webmail = ctx.use(Webmail)
      const entry = { name: 'stranger', title: { en: 'Do something', de: 'Etwas tun' }, module }
      for (const slot of ['message.aside', 'message.action', 'compose.action', 'compose.check', 'settings'] as const)
        webmail.add(slot, entry)
      webmail.add('list.badge', { name: 'stranger', keyword: 'stranger', text: { en: 'Odd' }, tone: 'warn' })
      webmail.add('app', { name: 'stranger', title: { en: 'Customers' }, path: '/customers/' })
      webmail.add('app', { name: 'secret', title: { en: 'For few' }, path: '/secret/', who: 'stranger' })
      webmail.add('message.banner', {
        name: 'stranger',
        show: ({ field }) => ({
          tone: 'quiet',
          text: { en: `A banner for ${field('to')[0]?.includes('ann') ? 'ann' : 'others'}` },
        }),
      })
      return {}
    },
  })
