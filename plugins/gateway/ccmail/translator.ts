/**
 * Shared by both directions: text in the post office's code page, and names by the directory.
 */
import { Cache } from 'iems'
import { codePage } from 'iems/mime'
import type { DirectoryApi } from '../../directory/store/api.ts'
import { parseCcName } from './addresses.ts'
import type { Options } from './options.ts'

/** Attribute of an entry with its names in cc:Mail. */
export const NAME_ATTRIBUTE = 'ccmailname'
const CACHED = 10_000
const TTL_MS = 60_000

export interface Translator {
  readonly options: Options
  decode(octets: Buffer): string
  encode(text: string): Buffer
  /** By the directory; undefined for a name that it does not have. */
  addressOf(name: string): Promise<string | undefined>
  /** The name of an address by the directory. */
  nameOf(address: string): Promise<string | undefined>
}

export function createTranslator(options: Options, directory: DirectoryApi | undefined): Translator {
  const page = codePage(options.codePage)
  const addresses = new Cache<Promise<string | undefined>>({ max: CACHED, ttl: TTL_MS })
  const names = new Cache<Promise<string | undefined>>({ max: CACHED, ttl: TTL_MS })
  const remembered = (cache: typeof names, key: string, find: () => Promise<string | undefined>) => {
    const found = cache.get(key) ?? find()
    cache.set(key, found)
    return found
  }
  return {
    options,
    decode: (octets) => page?.decode(octets) ?? octets.toString('latin1'),
    encode: (text) => page?.encode(text) ?? Buffer.from(text, 'latin1'),
    addressOf: (name) =>
      remembered(addresses, name.toLowerCase(), async () => directory && findAddress(directory, name)),
    nameOf: (address) =>
      remembered(names, address.toLowerCase(), async () => directory && findName(directory, address)),
  }
}

async function findAddress(directory: DirectoryApi, name: string): Promise<string | undefined> {
  const wanted = name.toLowerCase()
  const [last = '', ...first] = parseCcName(name)
    .name.split(',')
    .map((part) => part.trim())
  const shown = [...first, last].join(' ')
  for await (const entry of directory.find({ attribute: 'displayname', value: shown, how: 'equal' })) {
    const has = entry.attributes[NAME_ATTRIBUTE]?.some((one) => one.toLowerCase() === wanted)
    if (has) return 'addresses' in entry ? entry.addresses[0] : entry.attributes.mail?.[0]
  }
  return undefined
}

async function findName(directory: DirectoryApi, address: string): Promise<string | undefined> {
  for await (const entry of directory.find({ attribute: 'mail', value: address, how: 'equal' })) {
    const [name] = entry.attributes[NAME_ATTRIBUTE] ?? []
    if (name !== undefined) return name
  }
  return undefined
}
