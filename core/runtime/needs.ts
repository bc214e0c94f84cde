/**
 * Sorts plugins for setup: providers of a service before its consumers.
 */
import { IemsError } from '../api/errors.ts'
import type { AnyPluginDefinition } from '../api/plugin.ts'
import type { Service } from '../api/service.ts'

interface Named {
  readonly name: string
  readonly definition: AnyPluginDefinition
}

const namesOf = (services: readonly Service<unknown>[] = []) => services.map(({ name }) => name)

export const offersOf = ({ definition }: Named): readonly string[] => namesOf(definition.offers)
export const needsOf = ({ definition }: Named): readonly string[] => namesOf(definition.needs)
export const wantsOf = ({ definition }: Named): readonly string[] => namesOf(definition.wants)

/** The provider of each service, the first of several. Throws IEMS_SERVICE_TWICE. */
function providersOf<T extends Named>(plugins: readonly T[]): ReadonlyMap<string, T> {
  const offers = new Map<string, T>()
  for (const one of plugins) {
    for (const { name: service, several } of one.definition.offers ?? []) {
      const first = offers.get(service)
      if (first && several) continue
      if (first) throw new IemsError('IEMS_SERVICE_TWICE', { service, first: first.name, second: one.name })
      offers.set(service, one)
    }
  }
  return offers
}

/** The services of one kernel. Of several implementations of a service, the first counts. */
export class Services {
  readonly #byName = new Map<string, unknown>()

  provide(name: string, implementation: unknown): void {
    if (!this.#byName.has(name)) this.#byName.set(name, implementation)
  }

  has(name: string): boolean {
    return this.#byName.has(name)
  }

  get(name: string): unknown {
    return this.#byName.get(name)
  }
}

/** Sorts providers before their consumers. Throws when a provider is missing or the needs are circular. */
export function byNeeds<T extends Named>(plugins: readonly T[]): T[] {
  const offers = providersOf(plugins)
  const order: T[] = []
  const path: T[] = []
  const visit = (one: T) => {
    if (order.includes(one)) return
    if (path.includes(one))
      throw new IemsError('IEMS_NEEDS_CIRCLE', { plugins: [...path, one].map(({ name }) => name).join(' → ') })
    path.push(one)
    for (const service of needsOf(one)) {
      const provider = offers.get(service)
      if (!provider) throw new IemsError('IEMS_SERVICE_MISSING', { plugin: one.name, service })
      visit(provider)
    }
    for (const service of wantsOf(one)) {
      const provider = offers.get(service)
      if (provider) visit(provider)
    }
    path.pop()
    order.push(one)
  }
  for (const one of plugins) visit(one)
  return order
}
