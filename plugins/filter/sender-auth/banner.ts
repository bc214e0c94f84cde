/**
 * The web mail's banner about a message's sender, from this server's own Authentication-Results.
 *
 * Invariants: results of other servers are never shown as this server's.
 */
import type { Banner, BannerSlot } from '../../web/mail/api.ts'
import { authservIdOf } from './results-header.ts'

const DOMAIN = /\bheader\.from=([a-z0-9.-]{1,253})/i
const SIGNER = /\bdkim=pass\b[^;]{0,500}?\bheader\.(?:d|i)=@?([a-z0-9.-]{1,253})/i

export function createBanner(authservId: string): BannerSlot {
  const own = authservId.toLowerCase()
  return {
    name: 'sender-auth',
    show({ field }) {
      const results = field('authentication-results').find((value) => authservIdOf(value) === own)
      return results === undefined ? undefined : bannerOf(results)
    },
  }
}

function bannerOf(results: string): Banner {
  const dmarc = /\bdmarc=([a-z]{1,20})/i.exec(results)?.[1]?.toLowerCase()
  const domain = DOMAIN.exec(results)?.[1] ?? ''
  const signer = SIGNER.exec(results)?.[1]
  const why = { en: results.slice(results.indexOf(';') + 1).trim() }
  if (dmarc === 'pass') return { tone: 'good', text: { en: `Verified: ${domain}`, de: `Geprüft: ${domain}` }, why }
  if (dmarc === 'fail')
    return {
      tone: 'warning',
      text: {
        en: `This message may not be from ${domain || 'its sender'}: the domain disowns it.`,
        de: `Diese Nachricht ist vielleicht nicht von ${domain || 'ihrem Absender'}: Die Domain erkennt sie nicht an.`,
      },
      why,
    }
  if (signer !== undefined)
    return { tone: 'quiet', text: { en: `Signed by ${signer}`, de: `Signiert von ${signer}` }, why }
  return { tone: 'quiet', text: { en: 'Sender not verified', de: 'Absender nicht geprüft' }, why }
}
