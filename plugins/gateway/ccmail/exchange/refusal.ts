/** The cc:Mail message that notifies a cc:Mail user that their message could not be delivered. */
import { writeCcDate } from '../format/dates.ts'
import type { CcMessage } from '../format/model.ts'
import { writeMessage } from '../format/writer.ts'
import type { Translator } from '../translator.ts'

export function notDelivered(
  message: CcMessage,
  refused: readonly { readonly address: string; readonly why: string }[],
  { translator, now }: { readonly translator: Translator; readonly now: number },
): Buffer {
  const { options, encode } = translator
  const text = [
    'Your message could not be delivered to:',
    ...refused.map(({ address, why }) => `  ${address}: ${why}`),
    '',
    `Subject: ${message.subject}`,
    `Date: ${message.date}`,
    '',
  ].join('\r\n')
  return writeMessage(
    {
      from: `Mail Delivery Subsystem at ${options.gateway}`,
      date: writeCcDate(now, { order: options.dateOrder, zone: options.zone }),
      to: [message.from],
      cc: [],
      subject: `Message not delivered: ${message.subject}`.slice(0, 60),
      items: [{ kind: 'text', title: '', octets: encode(text) }],
    },
    { encode, columns: options.columns },
  )
}
