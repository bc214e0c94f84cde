/**
 * Rules over links and their deceptions.
 */
import { isIP } from 'node:net'
import { domainToUnicode } from 'node:url'
import { isMixedScript, type Link, skeletonOf } from '../content/links.ts'
import { registeredDomain } from '../dns/names.ts'
import type { Evidence, Rule } from './rule.ts'

const SHORTENERS = new Set(
  'bit.ly tinyurl.com goo.gl t.co ow.ly is.gd buff.ly rb.gy cutt.ly shorturl.at tiny.cc bl.ink rebrand.ly t.ly v.gd s.id lnkd.in soo.gd adf.ly shorte.st trib.al dlvr.it qr.ae tr.im snipurl.com u.to clck.ru x.co'.split(
    ' ',
  ),
)
/** Names that phishing imitates. */
const BRANDS: readonly string[] =
  'paypal microsoft office365 outlook apple icloud google facebook instagram whatsapp amazon netflix ebay linkedin dropbox docusign adobe wellsfargo bankofamerica chase citibank hsbc barclays santander sparkasse postbank commerzbank coinbase binance blockchain metamask dhl fedex ups usps hermes telekom vodafone steam github yahoo'.split(
    ' ',
  )
const LOOKS = new Map(BRANDS.map((brand) => [skeletonOf(brand), brand]))

const some = (test: (link: Link) => boolean) => (e: Evidence) => e.links.some(test)
const isPuny = ({ host }: Link) => host.includes('xn--')

/** The registered label: `paypa1` of `www.paypa1.com`. */
const labelOf = ({ domain }: Link) => domainToUnicode(domain).split('.')[0] ?? ''

/** `paypa1.com` resembles paypal; `paypal.com.verify.example` puts it in front of another domain. */
function isLookAlike(link: Link): boolean {
  if (isIP(link.host) !== 0) return false
  const label = labelOf(link)
  const brand = LOOKS.get(skeletonOf(label))
  if (brand !== undefined && brand !== label) return true
  const below = link.host.slice(0, Math.max(0, link.host.length - link.domain.length - 1)).split('.')
  return below.some((one, index) => {
    const next = below[index + 1]
    return BRANDS.includes(one) && next !== undefined && /^(?:com|net|org|co|de|uk)$/.test(next) && one !== label
  })
}

function isMismatched({ shown, domain }: Link): boolean {
  if (shown === undefined) return false
  const expected = registeredDomain(shown)
  // The same name under another top-level domain is fine: example.co.uk may link to example.com.
  return expected !== domain && expected.split('.')[0] !== domain.split('.')[0]
}

export const linkRules: readonly Rule[] = [
  {
    name: 'link-mismatch',
    says: 'A link shows another site than the one it leads to.',
    weight: 1.5,
    test: some(isMismatched),
  },
  {
    name: 'link-address',
    says: 'A link leads to a bare IP address.',
    weight: 1.2,
    test: some(({ host }) => isIP(host) !== 0),
  },
  {
    name: 'link-obscured',
    says: 'A link hides its host behind numbers or percent signs.',
    weight: 2,
    test: some(({ written, host }) => {
      const bare = written.slice(written.lastIndexOf('@') + 1).replace(/:\d{0,5}$/, '')
      return /%[0-9a-f]{2}/.test(bare) || (isIP(host) === 4 && bare !== host && !bare.startsWith('['))
    }),
  },
  {
    name: 'link-user',
    says: 'A link holds a user name in front of its host, which looks like the host.',
    weight: 2,
    test: some(({ hasUser }) => hasUser),
  },
  {
    name: 'link-port',
    says: 'A link leads to an unusual port.',
    weight: 0.8,
    test: some(({ port }) => port !== '' && port !== '8080' && port !== '443'),
  },
  {
    name: 'link-shortened',
    says: 'A link hides where it leads behind a shortener.',
    weight: 0.8,
    test: some(({ domain }) => SHORTENERS.has(domain)),
  },
  {
    name: 'link-punycode',
    says: 'A link leads to a name with letters beyond ASCII.',
    weight: 0.5,
    test: some(isPuny),
  },
  {
    name: 'link-mixed-script',
    says: 'A link leads to a name that mixes letters of several scripts.',
    weight: 3,
    test: some((link) => isPuny(link) && isMixedScript(link.host)),
  },
  {
    name: 'link-look-alike',
    says: 'A link leads to a name that looks like that of a well-known site.',
    weight: 3,
    test: some(isLookAlike),
  },
  {
    name: 'link-recipient',
    says: 'A link holds the address of the recipient.',
    weight: 0.8,
    test: ({ links, to }) =>
      links.some(({ path }) => {
        const plain = path.toLowerCase().replaceAll('%40', '@')
        return to.some(({ address }) => address !== '' && plain.includes(address))
      }),
  },
  {
    name: 'link-domain-cheap',
    says: 'A link leads to a top-level domain that is mostly used for spam.',
    weight: 0.8,
    test: some(({ host }) =>
      /\.(?:biz|top|xyz|icu|click|loan|win|bid|gq|cf|tk|ml|ga|work|cam|rest|buzz|monster|quest|sbs|cfd|cyou|bond)$/.test(
        host,
      ),
    ),
  },
  {
    name: 'link-name-digits',
    says: 'A link leads to a registered name that holds several digits.',
    weight: 0.8,
    test: some(({ host, domain }) => isIP(host) === 0 && /\d[^.]{0,60}\d[^.]{0,60}\d|[a-z]\d{2,60}[a-z]/.test(domain)),
  },
]
