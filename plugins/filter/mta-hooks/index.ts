/**
 * MTA Hooks (HTTP and JSON), both ways: filters are called with each message, and the plugins of this server are served
 * to Stalwart and other mail servers.
 *
 * This file only wires; start reading at protocol.ts.
 */
import { definePlugin } from 'iems'
import { Http } from '../../web/http/api.ts'
import { HookCalls } from './call.ts'
import { options } from './options.ts'
import { request } from './protocol.ts'
import { answerTo } from './serve.ts'

export const mtaHooks = definePlugin({
  name: 'mta-hooks',
  config: options.prefault({}),
  wants: [Http],
  setup({ hooks, serve }, ctx) {
    if (serve) {
      const http = ctx.find(Http)
      if (!http) throw new Error('the option serve needs the http channel')
      http.route({
        method: 'POST',
        path: serve.path,
        who: 'mta-hooks',
        summary: 'Examine a stage of a mail session (MTA Hooks)',
        limit: { body: serve.size },
        body: request,
        run: ({ body }) => answerTo(ctx, body),
      })
    }
    if (hooks.length === 0) return {}
    const calls = new HookCalls(hooks)
    const slowest = hooks.reduce((all, { timeout }) => all + timeout, 1000)
    return {
      hooks: {
        check: { stage: 'late', timeout: slowest, handler: (message, context) => calls.check(message, context) },
        modify: { stage: 'first', handler: (message, context) => calls.modify(message, context) },
      },
    }
  },
})
