/**
 * Why a message is in Junk, for the web mail: the score and its reasons, from the field that this server wrote.
 */
import type { BannerSlot } from '../../web/mail/api.ts'

const STATUS = /^Yes, score=(-?[\d.]{1,10}) required=(-?[\d.]{1,10}) tests=(.{1,2000})/s

export const banner: BannerSlot = {
  name: 'antispam',
  show({ field }) {
    const found = STATUS.exec(field('x-spam-status')[0] ?? '')
    if (!found) return undefined
    const [, score, required, reasons = ''] = found
    return {
      tone: 'warning',
      text: {
        en: `Looks like spam: ${score} points of ${required}.`,
        de: `Sieht nach Spam aus: ${score} von ${required} Punkten.`,
      },
      why: { en: reasons },
    }
  },
}
