/** An antivirus service whose answers a test gives. */
import { AllBackendsDown, definePlugin } from 'iems'
import * as z from 'zod'
import { Antivirus, type ScanAnswer } from '../../plugins/filter/antivirus/api.ts'

export function createAntivirusStub() {
  const stub: { answer: ScanAnswer | 'down'; readonly plugin: ReturnType<ReturnType<typeof make>> } = {
    answer: { kind: 'clean', name: '' },
    plugin: make(() => stub.answer)(),
  }
  return stub
}

const make = (answer: () => ScanAnswer | 'down') =>
  definePlugin({
    name: 'antivirus-stub',
    config: z.strictObject({}).default({}),
    offers: [Antivirus],
    setup(_, ctx) {
      ctx.offer(Antivirus, {
        async scan() {
          const given = answer()
          if (given === 'down') throw new AllBackendsDown('none answers')
          return given
        },
      })
      return {}
    },
  })
