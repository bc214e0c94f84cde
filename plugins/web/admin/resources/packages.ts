/**
 * Plugins of npm: those installed beside the configuration, and, where the administrator allows it, a search in the
 * registry. Nothing is installed: the page shows the lines for the configuration.
 */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Dns } from 'iems'
import * as z from 'zod'
import { HttpProblem, requestPublic } from '../../http/api.ts'
import type { AdminRoutes } from '../routes.ts'

const KEYWORD = 'iems-plugin'
const TIMEOUT_MS = 10_000
const MAX_ANSWER = 2_000_000
const MAX_FOUND = 20
/** The registry is the administrator's choice, so it may be on their own network. */
const ANYWHERE = ['0.0.0.0/0', '::/0']

const manifest = z.object({
  name: z.string().default(''),
  version: z.string().default(''),
  description: z.string().optional(),
  keywords: z.array(z.string()).default([]),
  dependencies: z.record(z.string(), z.string()).default({}),
  peerDependencies: z.record(z.string(), z.string()).default({}),
})
type Manifest = z.output<typeof manifest>
const answer = z.object({
  objects: z.array(z.object({ package: manifest.extend({ date: z.string().optional() }) })).default([]),
})

const read = async (file: string): Promise<Manifest | undefined> => {
  try {
    return manifest.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return undefined
  }
}

/** Whether a version fits a range such as `^0.1.0`: the same major version, below 1 the same minor version. */
export function fitsRange(version: string, range: string): boolean {
  if (range === '*' || range === '') return true
  const numbers = (text: string) =>
    (/(\d{1,6})(?:\.(\d{1,6}))?/.exec(text) ?? []).slice(1).map((one) => Number(one ?? 0))
  const [major, minor] = numbers(version)
  const [wantedMajor, wantedMinor] = numbers(range)
  return major === wantedMajor && (major !== 0 || minor === wantedMinor)
}

async function installed(configPath: string) {
  const folder = dirname(configPath)
  const own = await read(join(folder, 'package.json'))
  const iems = await read(join(import.meta.dirname, '../../../../package.json'))
  const packages = await Promise.all(
    Object.keys(own?.dependencies ?? {}).map((name) => read(join(folder, 'node_modules', name, 'package.json'))),
  )
  return {
    version: iems?.version ?? '',
    packages: packages.flatMap((one) => {
      if (!one?.keywords.includes(KEYWORD)) return []
      const range = one.peerDependencies.iems ?? ''
      const { name, version, description } = one
      return [{ name, version, description, range, isCompatible: fitsRange(iems?.version ?? '', range) }]
    }),
  }
}

export function addPackages(
  routes: AdminRoutes,
  { registry, dns }: { readonly registry: string | undefined; readonly dns: Dns },
): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/packages',
    who: 'admin',
    summary: 'List plugins of npm beside the configuration, with version and compatibility',
    run: ({ administration }) => installed(administration.configuration().path),
  })
  routes.route({
    method: 'GET',
    path: '/api/v1/registry',
    who: 'admin',
    summary: 'Search the registry of npm for plugins, where the option `registry` allows it',
    query: z.object({ text: z.string().max(200).default('') }),
    async run({ query: { text } }) {
      if (registry === undefined) throw new HttpProblem(404, 'This server contacts no registry')
      const asked = new URLSearchParams({ text: `keywords:${KEYWORD} ${text}`.trim(), size: String(MAX_FOUND) })
      const url = `${registry.replace(/\/$/, '')}/-/v1/search?${asked}`
      const got = await requestPublic({ url, maxAnswer: MAX_ANSWER, timeout: TIMEOUT_MS, allow: ANYWHERE }, dns).catch(
        (cause: unknown) => {
          throw new HttpProblem(502, `The registry was not reached: ${cause instanceof Error ? cause.message : cause}`)
        },
      )
      const found = got.status === 200 ? answer.safeParse(JSON.parse(got.body.toString())) : undefined
      if (!found?.success) throw new HttpProblem(502, `The registry answered ${got.status}`)
      return {
        packages: found.data.objects.map(({ package: { name, version, description, date } }) => ({
          name,
          version,
          description,
          date,
        })),
      }
    },
  })
}
