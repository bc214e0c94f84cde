/**
 * The logo of the domains (BIMI) as this server publishes it: a file examined against SVG Tiny PS
 * (draft-svg-tiny-ps-abrotman), and its certificate.
 *
 * Invariants: a logo that receivers would not show is refused at the start, with every reason; nothing in it is loaded.
 */
import { readFile, stat } from 'node:fs/promises'
import { createXmlReader } from 'iems/mime'
import { Download, type HttpApi } from '../../web/http/api.ts'
import type { Options } from './options.ts'

export const LOGO_PATH = '/.well-known/bimi/logo.svg'
export const EVIDENCE_PATH = '/.well-known/bimi/evidence.pem'

/** Octets of a logo that receivers accept, and of a certificate with its chain. */
const MAX_LOGO = 32_768
const MAX_EVIDENCE = 262_144
const MAX_TITLE = 64
const MAX_PROBLEMS = 20
const SVG = 'http://www.w3.org/2000/svg'
/** Elements of SVG Tiny 1.2 without images, media, scripts, animation and interaction. */
const ELEMENTS = new Set(
  `svg title desc metadata defs g use switch path rect circle ellipse line polyline polygon text tspan textArea tbreak
   solidColor linearGradient radialGradient stop font font-face font-face-src font-face-name glyph missing-glyph hkern`.split(
    /\s+/,
  ),
)

/** The reasons for which a file is no SVG Tiny PS; empty for one that is. */
export function logoProblems(octets: Buffer): string[] {
  if (octets.length > MAX_LOGO) return [`it has ${octets.length} octets; receivers show up to ${MAX_LOGO}`]
  const problems = new Set<string>()
  const add = (problem: string) => problems.size < MAX_PROBLEMS && problems.add(problem)
  const open: string[] = []
  let title = ''
  const reader = createXmlReader({
    open(name, attributes) {
      open.push(name)
      if (open.length === 1) for (const problem of rootProblems(name, attributes)) add(problem)
      // Drawing programs keep elements of their own below metadata.
      if (!ELEMENTS.has(name) && !open.includes('metadata')) add(`<${name}> is not allowed`)
      for (const problem of attributeProblems(attributes)) add(problem)
    },
    close: () => void open.pop(),
    text(text) {
      if (open.join('/') === 'svg/title') title += text
    },
    problem: (why) => add(`the XML is not well-formed: ${why}`),
    doctype: () => add('a document type declaration is not allowed'),
  })
  reader.write(octets)
  reader.end()
  if (title.trim() === '') add('<svg> needs a <title> with the name of the organization')
  if (title.trim().length > MAX_TITLE) add(`the title has more than ${MAX_TITLE} characters`)
  return [...problems]
}

function* rootProblems(name: string, { xmlns, version, baseProfile, x, y }: Readonly<Record<string, string>>) {
  if (name !== 'svg' || xmlns !== SVG) yield `the root must be <svg xmlns="${SVG}">`
  if (version !== '1.2') yield 'the root needs version="1.2"'
  if (baseProfile !== 'tiny-ps') yield 'the root needs baseProfile="tiny-ps"'
  if (x !== undefined || y !== undefined) yield 'the root must not have the attributes x and y'
}

/** The beginnings of what follows each `url(`, without a quotation mark. */
const urlsIn = (value: string): readonly string[] =>
  value
    .toLowerCase()
    .split('url(')
    .slice(1)
    .map((rest) => rest.trimStart().replace(/^["']/, '').trimStart())

function* attributeProblems(attributes: Readonly<Record<string, string>>) {
  for (const [name, value] of Object.entries(attributes)) {
    if (/^on/i.test(name)) yield `the attribute ${name} is not allowed`
    if (/^(?:xlink:)?(?:href|src)$/i.test(name) && !value.startsWith('#')) yield `${name} refers to another file`
    if (urlsIn(value).some((url) => !url.startsWith('#'))) yield `${name} refers to another file`
  }
}

export interface LogoFiles {
  readonly logo?: Buffer
  readonly evidence?: Buffer
}

const isFile = (place: string | undefined): place is string => place !== undefined && !place.startsWith('https:')

async function readBounded(path: string, max: number): Promise<Buffer> {
  if ((await stat(path)).size > max) throw new Error(`${path} is larger than ${max} octets`)
  return readFile(path)
}

/** The files that the option names. Throws for a logo that is no SVG Tiny PS. */
export async function readLogo({ bimi }: Options): Promise<LogoFiles> {
  const logo = isFile(bimi?.logo) ? await readBounded(bimi.logo, 10 * MAX_LOGO) : undefined
  const problems = logo ? logoProblems(logo) : []
  if (problems.length > 0) throw new Error(`bimi.logo is no SVG Tiny PS: ${problems.join('; ')}`)
  const evidence = isFile(bimi?.evidence) ? await readBounded(bimi.evidence, MAX_EVIDENCE) : undefined
  return { ...(logo ? { logo } : {}), ...(evidence ? { evidence } : {}) }
}

/** The URL for the record: of a file, where this server serves it. */
export const logoUrl = (place: string, path: string, hostname: string): string =>
  isFile(place) ? `https://${hostname.toLowerCase()}${path}` : place

export function serveLogo(http: HttpApi, { logo, evidence }: LogoFiles): void {
  const serve = (path: string, type: string, summary: string, octets: Buffer) =>
    http.stream({
      method: 'GET',
      path,
      who: 'anyone',
      summary,
      run: () =>
        new Download({
          type,
          size: octets.length,
          maxAge: 3600,
          open: async function* () {
            yield octets
          },
        }),
    })
  if (logo) serve(LOGO_PATH, 'image/svg+xml', 'The logo of the domains (BIMI)', logo)
  if (evidence) serve(EVIDENCE_PATH, 'application/pem-certificate-chain', 'The certificate of the logo', evidence)
}
